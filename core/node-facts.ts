/** One node's answer, read: what the diagnosis and the status are made from. */
import { readDnsAnswers, type DnsAnswer } from './dns-answers.ts';
import { buildNodeProgram } from './node-program.ts';
import { recordsOf, type NodeAnswer, type NodeReport, type RecordOf } from './node-report.ts';
import { readKubeProxy, type KubeProxyState } from './parse/kube-proxy.ts';
import { parseResolvConf, type ResolvConf } from './parse/resolv-conf.ts';
import type { NodeProgram } from './program.ts';
import type { DesiredService } from './service.ts';

export interface NodeFacts {
  readonly node: string;
  readonly answer: NodeAnswer;
  readonly zone?: string;
  /** The rest is there where the node answered. */
  readonly read?: {
    readonly report: NodeReport;
    /** RFC 3339, by the collector's clock. */
    readonly collectedAt: string;
    readonly program: NodeProgram;
    readonly kubeProxy?: KubeProxyState;
    readonly conntrack?: RecordOf<'conntrack'>;
    readonly conntrackTable?: RecordOf<'conntrackTable'>;
    /** About this Service, from every server that was asked; absent where DNS was not asked. */
    readonly dnsAnswers?: readonly DnsAnswer[];
    /** The node's own, where the probe told it. */
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
  const conntrack = recordsOf(report, 'conntrack').find((record) => record.service === service);
  const conntrackTable = recordsOf(report, 'conntrackTable')[0];
  const dnsAnswers = readDnsAnswers(report, service);
  const resolvConf = recordsOf(report, 'resolvConf')[0];
  const connections = recordsOf(report, 'connection').filter((record) => record.service === service);
  const unread = recordsOf(report, 'unread')
    .filter((record) => record.service === undefined || record.service === service)
    .map(({ what, reason }) => ({ what, reason }));
  if (!report.complete) unread.push({ what: 'the end of the report', reason: 'the probe was cut off before it finished' });
  return {
    node: answer.node,
    answer,
    ...place,
    read: {
      report,
      collectedAt,
      program: buildNodeProgram(report, desired),
      ...(kubeProxy === undefined ? {} : { kubeProxy: readKubeProxy(kubeProxy) }),
      ...(conntrack === undefined ? {} : { conntrack }),
      ...(conntrackTable === undefined ? {} : { conntrackTable }),
      ...(dnsAnswers.length === 0 ? {} : { dnsAnswers }),
      ...(connections.length === 0 ? {} : { connections: connections.map(({ kind: _kind, service: _service, ...connection }) => connection) }),
      ...(resolvConf === undefined ? {} : { resolvConf: parseResolvConf(resolvConf.text) }),
      unread,
    },
  };
}
