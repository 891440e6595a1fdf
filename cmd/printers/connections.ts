/** What became of the active check's connections: alike outcomes of several nodes in one row. */
import { hostPort } from '../../core/address.ts';
import type { NodeStatus } from '../../core/service-trace.ts';
import { plural } from '../../core/plural.ts';
import { cell, type Cell, type Tone } from '../tone.ts';
import { printColumns } from './columns.ts';
import type { Paint } from './paint.ts';

type Connection = Omit<NonNullable<NodeStatus['connections']>[number], 'status'> & { readonly status?: number | undefined };

/** What one node tried. */
export interface NodeConnections {
  readonly name: string;
  readonly connections?: readonly Connection[];
}

const tones: Readonly<Record<Connection['outcome'], Tone>> = {
  connected: 'ok',
  answered: 'ok',
  refused: 'error',
  timeout: 'error',
  unreachable: 'error',
  failed: 'error',
  noReply: 'dim',
  untried: 'dim',
};

export function connectionLines({ nodes = [] }: { readonly nodes?: readonly NodeConnections[] }, { width, paint }: { readonly width: number; readonly paint: Paint }): string[] {
  const rows = new Map<string, { connection: Connection; nodes: string[]; slowest: number }>();
  for (const { name, connections = [] } of nodes) {
    for (const connection of connections) {
      const { hop, address, port, protocol, outcome, status, milliseconds } = connection;
      const key = [hop, address, port, protocol, outcome, status].join(' ');
      const row = rows.get(key);
      rows.set(key, { connection, nodes: [...(row?.nodes ?? []), name], slowest: Math.max(row?.slowest ?? 0, milliseconds) });
    }
  }
  if (rows.size === 0) return [];
  const columns = [{ title: 'TO', least: 14 }, { title: 'ADDRESS', least: 16, cut: 'middle' as const }, { title: 'OUTCOME' }, { title: 'FROM', least: 10 }, { title: 'SLOWEST', align: 'right' as const }];
  const cells = [...rows.values()].map(({ connection, nodes: from, slowest }): Cell[] => [
    cell(connection.hop),
    cell(`${hostPort(connection.address, connection.port)}/${connection.protocol}`),
    cell(connection.status === undefined ? outcomeText(connection.outcome) : `${outcomeText(connection.outcome)} ${String(connection.status)}`, tones[connection.outcome]),
    cell(from.length > 3 ? plural(from.length, 'node') : from.join(',')),
    cell(`${slowest.toFixed(1)} ms`),
  ]);
  return [paint('heading', 'Connections made by --connect'), ...printColumns(columns, cells, { width, paint })];
}

function outcomeText(outcome: Connection['outcome']): string {
  return outcome === 'noReply' ? 'no reply' : outcome === 'untried' ? 'not tried' : outcome;
}
