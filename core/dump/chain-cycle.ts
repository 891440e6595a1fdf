/** Chains that jump in a circle: the kernel takes none (iptables: ELOOP; nf_tables: nf_tables_check_loops), so a dump with one is not a kernel's. */

export interface Jump {
  readonly to: string;
  /** Line of the rule, from 1. */
  readonly line: number;
}

export interface ChainCycle {
  /** From a chain on to the same chain again. */
  readonly chains: readonly string[];
  /** Line of the rule that closes the circle. */
  readonly line: number;
}

/** The first circle that a packet can come to from one of the starts. */
export function findChainCycle(
  starts: Iterable<string>,
  jumpsOf: (chain: string) => readonly Jump[],
): ChainCycle | undefined {
  const done = new Set<string>();
  for (const start of starts) {
    if (done.has(start)) continue;
    const cycle = cycleFrom(start, done, jumpsOf);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/**
 * Apart from the loop over the starts: V8 compiles the inner one of two loops while it runs, and throws that code away each
 * time that it ends.
 * @param done chains from which no circle is to be found; those that are found now are added
 */
function cycleFrom(
  start: string,
  done: Set<string>,
  jumpsOf: (chain: string) => readonly Jump[],
): ChainCycle | undefined {
  // Nearly every chain is that of an endpoint, and jumps to one that is done.
  const isDone = ({ to }: Jump): boolean => done.has(to);
  const first = jumpsOf(start);
  if (first.every(isDone)) {
    done.add(start);
    return undefined;
  }
  const onPath = new Set([start]);
  /** The chains on the path down, and how many of each one's jumps were followed. */
  const path: { readonly chain: string; readonly jumps: readonly Jump[]; next: number }[] = [
    { chain: start, jumps: first, next: 0 },
  ];
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const jump = top.jumps[top.next];
    if (jump === undefined) {
      done.add(top.chain);
      onPath.delete(top.chain);
      path.pop();
      continue;
    }
    top.next += 1;
    if (onPath.has(jump.to)) {
      const chains = path.map(({ chain }) => chain);
      return { chains: [...chains.slice(chains.indexOf(jump.to)), jump.to], line: jump.line };
    }
    if (done.has(jump.to)) continue;
    const jumps = jumpsOf(jump.to);
    if (jumps.every(isDone)) {
      done.add(jump.to);
      continue;
    }
    path.push({ chain: jump.to, jumps, next: 0 });
    onPath.add(jump.to);
  }
  return undefined;
}
