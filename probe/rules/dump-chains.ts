/** The rules of some chains from a streamed dump of a table; the dump is never held. */
import type { Commands } from '../io/commands.ts';

/** @param program `iptables-nft-save` or another of its kind */
export async function dumpChains(
  commands: Commands,
  program: string,
  table: string,
  chains: ReadonlySet<string>,
): Promise<{ lines: Map<string, string[]>; present: Set<string>; problem?: string }> {
  const lines = new Map<string, string[]>();
  const present = new Set<string>();
  const { status, problem } = await commands.stream([program, '-c', '-t', table], (line) => {
    const declared = declaredChain(line);
    if (declared !== undefined && chains.has(declared)) present.add(declared);
    const chain = ruleChain(line);
    if (chain !== undefined && chains.has(chain)) pushTo(lines, chain, line);
  });
  return { lines, present, ...(status === 0 ? {} : { problem }) };
}

/** The chain that a line of a dump declares, `:CHAIN - [0:0]`. */
export function declaredChain(line: string): string | undefined {
  return line.startsWith(':') ? line.slice(1, line.indexOf(' ')) : undefined;
}

/** The chain of a rule of a dump, `[12:720] -A CHAIN …`. */
export function ruleChain(line: string): string | undefined {
  const at = line.startsWith('-A ') ? 3 : line.startsWith('[') ? line.indexOf('] -A ') + 5 : 4;
  if (at === 4) return undefined;
  const end = line.indexOf(' ', at);
  return end < 0 ? line.slice(at) : line.slice(at, end);
}

export function pushTo<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
