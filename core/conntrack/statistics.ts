/**
 * What the kernel counted of connection tracking, summed over the CPUs, by the names of `conntrack -S`: found, invalid,
 * insert, insert_failed, drop, early_drop, error, search_restart, clash_resolve, chaintoolong. The counters are 32 bits
 * wide on each CPU, and go round. Source: conntrack(8); net/netfilter/nf_conntrack_standalone.c ct_cpu_seq_show.
 */

/** Columns of /proc/net/stat/nf_conntrack that `conntrack -S` calls by other names. */
const names = new Map([
  ['clashres', 'clash_resolve'],
  ['icmp_error', 'error'],
  // Since Linux 5.15, and 0 before.
  ['chainlength', 'chaintoolong'],
]);

/**
 * Reads what `conntrack -S` prints, or /proc/net/stat/nf_conntrack: a line of names, then one of hexadecimal numbers for
 * each CPU.
 * @returns undefined where the text is neither
 */
export function parseConntrackStatistics(text: string): Map<string, number> | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const first = lines[0];
  if (first === undefined) return undefined;
  return /^cpu=\d+\s/.test(first) ? ofTool(lines) : ofProc(first, lines.slice(1));
}

function ofTool(lines: readonly string[]): Map<string, number> | undefined {
  const sums = new Map<string, number>();
  for (const line of lines) {
    if (!/^cpu=\d+(?:\s+[a-z_]+=\d+)*\s*$/.test(line)) return undefined;
    for (const [, name = '', value] of line.matchAll(/\s([a-z_]+)=(\d+)/g))
      sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return sums;
}

function ofProc(heading: string, lines: readonly string[]): Map<string, number> | undefined {
  const columns = heading.trim().split(/\s+/);
  if (columns[0] !== 'entries' || lines.length === 0) return undefined;
  const sums = new Map<string, number>();
  for (const line of lines) {
    const values = line.trim().split(/\s+/);
    if (values.length !== columns.length || !values.every((value) => /^[0-9a-f]{1,8}$/.test(value))) return undefined;
    columns.forEach((column, index) => {
      // Every CPU's line has the number of all entries, which nf_conntrack_count has, too; expectations are of helpers.
      if (column === 'entries' || column.startsWith('expect_')) return;
      const name = names.get(column) ?? column;
      sums.set(name, (sums.get(name) ?? 0) + parseInt(values[index] ?? '0', 16));
    });
  }
  return sums;
}
