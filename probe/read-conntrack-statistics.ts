/** Reads what the kernel counted of connection tracking. */
import { readFile } from 'node:fs/promises';
import { parseConntrackStatistics } from '../core/conntrack/statistics.ts';
import type { Commands } from './io/commands.ts';
import type { Emit } from './io/emit.ts';

export interface StatisticsReading {
  readonly source: string;
  readonly at: number;
  readonly counters: Map<string, number>;
}

/** The kernel's file where it has one, else conntrack(8); what could not be read is an `unread` record, and undefined. */
export async function readConntrackStatistics(commands: Commands, emit: Emit): Promise<StatisticsReading | undefined> {
  const file = '/proc/net/stat/nf_conntrack';
  const fromFile = await readFile(file, 'utf8').catch(() => undefined);
  if (fromFile !== undefined) {
    const counters = parseConntrackStatistics(fromFile);
    if (counters !== undefined) return { source: file, at: Date.now(), counters };
  }
  const lines: string[] = [];
  const { status, problem } = await commands.stream(['conntrack', '-S'], (line) => lines.push(line));
  const counters = status === 0 ? parseConntrackStatistics(lines.join('\n')) : undefined;
  if (counters !== undefined) return { source: 'conntrack -S', at: Date.now(), counters };
  emit({
    kind: 'unread',
    part: 'other',
    what: 'statistics of conntrack',
    reason: status === 0 ? `conntrack -S printed: ${(lines[0] ?? 'nothing').slice(0, 120)}` : problem,
  });
  return undefined;
}

/** Emits both readings as one record. */
export function emitStatistics(first: StatisticsReading, last: StatisticsReading, emit: Emit): void {
  emit({
    kind: 'conntrackStatistics',
    source: last.source,
    first: Object.fromEntries(first.counters),
    last: Object.fromEntries(last.counters),
    milliseconds: last.at - first.at,
  });
}
