/** One node's answer, read: what the diagnosis and the status are made from. */
import { clockOffset, type ClockOffset } from '../wire/clock-offset.ts';
import { datapathOf, type Datapath } from '../kube-proxy/datapath.ts';
import { readDnsAnswers, type DnsAnswer } from '../dns/answers.ts';
import { buildNodeProgram } from './node-program.ts';
import { recordsOf, type NodeAnswer, type NodeReport, type RecordOf } from '../wire/node-report.ts';
import { readKubeProxy, type KubeProxyState } from '../kube-proxy/health.ts';
import { parseResolvConf, type ResolvConf } from '../dns/resolv-conf.ts';
import { present } from '../lib/present.ts';
import type { NodeProgram } from './program.ts';
import type { DesiredService } from '../api/service.ts';

export interface NodeFacts {
  readonly node: string;
  readonly answer: NodeAnswer;
  readonly zone?: string;
  /** The rest is there where the node answered. */
  readonly read?: {
    readonly report: NodeReport;
    /** RFC 3339, by the collector's clock. */
    readonly collectedAt: string;
    /** Where the rules were read before the rest. */
    readonly rulesReadAt?: string;
    readonly rulesKnownAt?: string;
    readonly program: NodeProgram;
    readonly kubeProxy?: KubeProxyState;
    readonly conntrack?: RecordOf<'conntrack'>;
    readonly conntrackTable?: RecordOf<'conntrackTable'>;
    readonly conntrackStatistics?: RecordOf<'conntrackStatistics'>;
    readonly system?: RecordOf<'system'>;
    readonly interfaces?: RecordOf<'interfaces'>;
    /** In mode ipvs. */
    readonly localAddresses?: RecordOf<'localAddresses'>;
    /** Where the Service has node ports. */
    readonly sockets?: RecordOf<'sockets'>;
    /** Where the Service has a healthCheckNodePort. */
    readonly healthCheck?: RecordOf<'healthCheck'>;
    /** Where kube-proxy reported its mode. */
    readonly otherModes?: RecordOf<'otherModes'>;
    readonly clock?: ClockOffset;
    /** The CNI whose interfaces the node has, where it may serve Services itself. */
    readonly datapath?: Datapath;
    /** About this Service, from every server that was asked; absent where DNS was not asked. */
    readonly dnsAnswers?: readonly DnsAnswer[];
    /** The node's own, where the probe reported it. */
    readonly resolvConf?: ResolvConf;
    /** Of the active check; absent where it was not asked for. */
    readonly connections?: readonly Connection[];
    readonly unread: readonly { readonly what: string; readonly reason: string }[];
  };
}

export type Connection = Omit<RecordOf<'connection'>, 'kind' | 'service'>;

/** Reads a node's answer for one Service. */
export function readNodeFacts(answer: NodeAnswer, desired: DesiredService, zone: string | undefined): NodeFacts {
  const place = zone === undefined ? {} : { zone };
  if (!('report' in answer)) return { node: answer.node, answer, ...place };
  const { report, collectedAt } = answer;
  const service = `${desired.namespace}/${desired.name}`;
  const kubeProxy = recordsOf(report, 'kubeProxy')[0];
  const own = <Record extends { readonly service: string }>(records: readonly Record[]): Record | undefined =>
    records.find((record) => record.service === service);
  const datapath = datapathOf(report);
  const dnsAnswers = readDnsAnswers(report, service);
  const resolvConf = recordsOf(report, 'resolvConf')[0];
  const connections = recordsOf(report, 'connection').filter((record) => record.service === service);
  const unread = recordsOf(report, 'unread')
    .filter((record) => record.service === undefined || record.service === service)
    .map(({ what, reason }) => ({ what, reason }));
  if (!report.complete)
    unread.push({ what: 'the end of the report', reason: 'the probe was cut off before it finished' });
  return {
    node: answer.node,
    answer,
    ...place,
    read: {
      report,
      collectedAt,
      ...present({ rulesReadAt: answer.rulesReadAt, rulesKnownAt: answer.rulesKnownAt }),
      ...(dnsAnswers.length === 0 ? {} : { dnsAnswers }),
      ...(connections.length === 0
        ? {}
        : { connections: connections.map(({ kind: _kind, service: _service, ...connection }) => connection) }),
      ...(resolvConf === undefined ? {} : { resolvConf: parseResolvConf(resolvConf.text) }),
      program: programOf(report, desired, datapath),
      unread,
      ...present({
        kubeProxy: kubeProxy === undefined ? undefined : readKubeProxy(kubeProxy),
        conntrack: own(recordsOf(report, 'conntrack')),
        conntrackTable: recordsOf(report, 'conntrackTable')[0],
        conntrackStatistics: recordsOf(report, 'conntrackStatistics')[0],
        system: recordsOf(report, 'system')[0],
        interfaces: recordsOf(report, 'interfaces')[0],
        localAddresses: own(recordsOf(report, 'localAddresses')),
        sockets: own(recordsOf(report, 'sockets')),
        healthCheck: own(recordsOf(report, 'healthCheck')),
        otherModes: own(recordsOf(report, 'otherModes')),
        clock: clockOffset(answer),
        datapath,
      }),
    },
  };
}

/** Where another datapath serves Services, that no rule of kube-proxy matches says nothing of what the node does. */
function programOf(report: NodeReport, desired: DesiredService, datapath: Datapath | undefined): NodeProgram {
  const program = buildNodeProgram(report, desired);
  if (datapath?.replacesKubeProxy !== true) return program;
  return {
    ...program,
    proxyModeSource: `${program.proxyModeSource}; ${datapath.name} serves Services on this node`,
    frontends: program.frontends.map(({ family, frontend, address, portName, protocol, port }) => ({
      family,
      frontend,
      address,
      ...(portName === undefined ? {} : { portName }),
      protocol,
      port,
      verdict: 'Unknown',
      dnatTargets: [],
    })),
  };
}
