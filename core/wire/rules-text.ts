/** Records of rules without what packets change in them: equal where the rules are. */
import type { NodeReportRecord } from './node-report.ts';

/** A text that is equal for equal rules: the records in an order of their own, without counters, handles and times of expiry. */
export function rulesText(records: readonly NodeReportRecord[]): string {
  return records
    .map((record) =>
      JSON.stringify(withoutCounters(record), (key, value: unknown) => (left.has(key) ? undefined : value)),
    )
    .sort()
    .join('\n');
}

const left = new Set(['handle', 'expires', 'packets', 'bytes']);

/** Lines of iptables have `[PACKETS:BYTES] ` before them, or `-c PACKETS BYTES` in them. */
function withoutCounters(record: NodeReportRecord): NodeReportRecord {
  switch (record.kind) {
    case 'iptablesChain':
    case 'hookChain':
      return {
        ...record,
        lines: record.lines.map((line) => line.replace(/^\[\d+:\d+\] /, '').replace(/ -c \d+ \d+(?= |$)/, '')),
      };
    case 'ipvs':
      return { ...record, lines: serverLines(record.lines) };
    default:
      return record;
  }
}

/** `TCP 10.96.0.7:80 rr`, `  -> 10.244.1.4:8080 Masq 1 3 12`: without connections, and without the lines of --stats, which have counters where these have words. */
function serverLines(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === '->') return /^[A-Z]/i.test(words[2] ?? '') ? [words.slice(0, 4).join(' ')] : [];
    return /^(?:TCP|UDP|SCTP|FWM)$/.test(words[0] ?? '') && !/^\d+$/.test(words[2] ?? '') ? [words.join(' ')] : [];
  });
}
