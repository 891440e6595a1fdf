/** `kubectl svctrace status`: whether the operator runs, and what the user may do. */
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { operatorName, operatorNamespace } from '../cluster/installation.ts';
import { exitStatus } from '../cli/exit-status.ts';
import { isForbidden } from '../cluster/explain-error.ts';
import { widthOf, type Io } from '../cli/io.ts';
import { writeResult } from '../cli/output.ts';
import { printColumns } from '../tables/columns.ts';
import { createPaint, wantsColor } from '../tables/paint.ts';
import type { StatusRequest } from '../cli/request.ts';
import { cell, type Cell } from '../tables/tone.ts';
import { defaultProbeNamespace } from '../cli/probe-defaults.ts';
import { version } from '../../core/lib/version.ts';
import { findingsAccess, missingRights, standaloneAccess, traceAccess } from '../cluster/rights.ts';

type StatusClient = Pick<ClusterClient, 'server' | 'namespace' | 'readCrd' | 'readOperator' | 'mayI'>;

interface Installation {
  readonly server: string;
  readonly namespace: string;
  readonly pluginVersion: string;
  readonly crd: 'established' | 'notEstablished' | 'absent' | 'unknown';
  readonly operator: 'available' | 'notAvailable' | 'absent' | 'unknown';
  readonly operatorImage?: string;
  readonly operatorMessage?: string;
  /** What is not permitted, as kubectl auth can-i names it. */
  readonly missingForTraces: readonly string[];
  readonly missingForStandalone: readonly string[];
  /** With --standalone, what is found from these is unknown. */
  readonly missingForFindings: readonly string[];
}

/** 0 where a trace would be answered; 3 where the operator or the CRD is not there. */
export async function runStatus(request: StatusRequest, io: Io, clusterClient: StatusClient): Promise<number> {
  const installation = await readInstallation(clusterClient);
  writeResult(io, request.output, installation, (shown) => printInstallation(shown, request, io));
  return installation.crd === 'absent' ||
    installation.crd === 'notEstablished' ||
    installation.operator === 'absent' ||
    installation.operator === 'notAvailable'
    ? exitStatus.cluster
    : exitStatus.ok;
}

async function readInstallation(clusterClient: StatusClient): Promise<Installation> {
  const [crd, operator, missingForTraces, missingForStandalone, missingForFindings] = await Promise.all([
    orUnknown(clusterClient.readCrd()),
    orUnknown(clusterClient.readOperator().then((deployment) => deployment ?? ('absent' as const))),
    missingRights(clusterClient, traceAccess(clusterClient.namespace)),
    missingRights(clusterClient, standaloneAccess(clusterClient.namespace, defaultProbeNamespace)),
    missingRights(clusterClient, findingsAccess(clusterClient.namespace)),
  ]);
  const common = {
    server: clusterClient.server,
    namespace: clusterClient.namespace,
    pluginVersion: version,
    crd,
    missingForTraces,
    missingForStandalone,
    missingForFindings,
  };
  if (typeof operator === 'string') return { ...common, operator };
  return operator.availableReplicas > 0
    ? { ...common, operator: 'available', operatorImage: operator.image }
    : { ...common, operator: 'notAvailable', operatorImage: operator.image, operatorMessage: operator.message };
}

async function orUnknown<Value>(answer: Promise<Value>): Promise<Value | 'unknown'> {
  try {
    return await answer;
  } catch (error) {
    if (isForbidden(error)) return 'unknown';
    throw error;
  }
}

function printInstallation(installation: Installation, { color }: StatusRequest, io: Io): string {
  const paint = createPaint(wantsColor(color, io.stdout.isTTY === true, io.env));
  const crdCells: Readonly<Record<Installation['crd'], Cell>> = {
    established: cell('established', 'ok'),
    notEstablished: cell('not established', 'error'),
    absent: cell('not installed: kubectl svctrace install', 'error'),
    unknown: cell('unknown: you may not read it', 'warning'),
  };
  const operatorCells: Readonly<Record<Installation['operator'], Cell>> = {
    available: cell('available', 'ok'),
    notAvailable: cell(`not available: ${installation.operatorMessage ?? ''}`, 'error'),
    absent: cell('not installed: kubectl svctrace install', 'error'),
    unknown: cell(`unknown: you may not read deployment/${operatorName} in namespace ${operatorNamespace}`, 'warning'),
  };
  const may = (denied: readonly string[]): Cell =>
    denied.length === 0 ? cell('yes', 'ok') : cell(`no, you may not ${denied.join('; ')}`, 'warning');
  const rows: Cell[][] = [
    [cell('API server'), cell(installation.server)],
    [cell('Plugin'), cell(installation.pluginVersion)],
    [cell('CRD servicetraces.svctrace.io'), crdCells[installation.crd]],
    [cell('Operator'), operatorCells[installation.operator]],
    ...(installation.operatorImage === undefined ? [] : [[cell('Operator image'), cell(installation.operatorImage)]]),
    [cell(`May trace in namespace ${installation.namespace}`), may(installation.missingForTraces)],
    [cell('May trace with --standalone'), may(installation.missingForStandalone)],
    [cell('May find all with --standalone'), may(installation.missingForFindings)],
  ];
  const lines = printColumns([{ title: 'WHAT' }, { title: 'STATE' }], rows, {
    width: Math.max(widthOf(io), 60),
    paint,
  });
  return `${lines.join('\n')}\n`;
}
