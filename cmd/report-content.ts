/** What a report says, before it is made a page: the judged trace, its rules in words, its picture, and the versions. */
import { buildDiagram } from '../core/diagram/build-diagram.ts';
import type { Bundle } from '../core/bundle.ts';
import { explainProgram, type FamilyExplanation } from '../core/explain/explain-program.ts';
import type { Journey } from '../core/explain/follow-client.ts';
import { recordsOf } from '../core/node-report.ts';
import { present } from '../core/present.ts';
import type { NodeStatus, ServiceTrace } from '../core/service-trace.ts';
import { buildStatus } from '../core/status.ts';
import { allJourneys } from './client-journeys.ts';
import { nodesByProgram, unreadOf } from './node-programs.ts';
import { mostEndpointsOfPicture, printPicture } from './printers/picture.ts';
import { visible, visibleText } from './printers/visible.ts';
import type { ClientName } from './request.ts';
import type { ResultTable } from './result-tables.ts';
import { cell, type Cell } from './tone.ts';
import { traceOf } from './trace-object.ts';

/** One of the different programs of rules, as one of its nodes has it. */
export interface ProgramContent {
  readonly node: string;
  readonly twins: readonly string[];
  readonly proxyMode: string;
  readonly backend?: string;
  readonly proxyModeSource: string;
  readonly families: readonly FamilyExplanation[];
  readonly unread: readonly { readonly what: string; readonly reason: string }[];
}

export interface ReportContent {
  readonly trace: ServiceTrace;
  readonly programs: readonly ProgramContent[];
  /** The client of --from, and its ways to the Service's frontends. */
  readonly way?: { readonly client: string; readonly journeys: readonly Journey[] };
  /** An svg element. */
  readonly picture: string;
  /** What is not in the picture, and why. */
  readonly pictureNotes: readonly string[];
  readonly versions: ResultTable;
  /** Version of the tool that collected. */
  readonly collectedBy: string;
  /** RFC 3339, and the version of the tool, of the writing. */
  readonly writtenAt: string;
  readonly writtenBy: string;
}

/** @throws UsageError where the bundle knows no such client */
export async function buildReport(
  bundle: Bundle,
  {
    writtenAt,
    writtenBy,
    from,
  }: Pick<ReportContent, 'writtenAt' | 'writtenBy'> & { readonly from?: ClientName | undefined },
): Promise<ReportContent> {
  const { spec, desired, answers, recordedAt: now, cluster, nodeZones, walkFrom, namespace, toolVersion } = bundle;
  const { name } = desired;
  const status = buildStatus({
    spec,
    generation: undefined,
    desired,
    answers,
    previous: undefined,
    now,
    ...present({ cluster, nodeZones, walkFrom }),
  });
  const reports = answers.flatMap((answer) => ('report' in answer ? [answer.report] : []));
  const diagram = buildDiagram(visible(status), {
    namespace: visibleText(namespace),
    name: visibleText(name),
    nodes: [],
    mostEndpoints: mostEndpointsOfPicture,
  });
  return {
    trace: traceOf({ namespace, name, spec, status }),
    programs: nodesByProgram(reports, desired).map(({ report, program, twins }) => ({
      node: report.node,
      twins,
      proxyMode: program.proxyMode,
      ...(program.backend === undefined ? {} : { backend: program.backend }),
      proxyModeSource: program.proxyModeSource,
      families: explainProgram(report, desired),
      unread: unreadOf(report, `${namespace}/${name}`),
    })),
    ...(from === undefined
      ? {}
      : { way: { client: 'ip' in from ? from.ip : `pod ${from.pod}`, journeys: allJourneys(bundle, from) } }),
    // Findings and notes stand beside the picture, as text that wraps.
    picture: await printPicture({ ...diagram, findings: [], notes: [] }, 'svg'),
    pictureNotes: diagram.notes,
    versions: versionsTable(bundle, status.nodes ?? []),
    collectedBy: toolVersion,
    writtenAt,
    writtenBy,
  };
}

function versionsTable({ answers, cluster }: Bundle, nodes: readonly NodeStatus[]): ResultTable {
  const known = (text: string | undefined): Cell =>
    text === undefined || text === '' ? cell('unknown', 'warning') : cell(text);
  return {
    columns: ['NODE', 'KUBE-PROXY', 'KUBELET', 'KERNEL', 'PROBE'].map((title) => ({ title })),
    rows: answers.map((answer): Cell[] => {
      const start = 'report' in answer ? recordsOf(answer.report, 'start')[0] : undefined;
      const own = cluster?.nodes?.find(({ name }) => name === answer.node);
      const { kubeProxy, datapath } = nodes.find(({ name }) => name === answer.node) ?? {};
      return [
        cell(answer.node),
        datapath === undefined ? known(kubeProxy?.version) : cell(`none: ${datapath}`),
        known(own?.kubeletVersion),
        known(start?.kernel ?? own?.kernel),
        known(start?.probeVersion),
      ];
    }),
  };
}
