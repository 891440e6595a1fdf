/** Reads Services from the legacy tables, where every command costs the whole table: so one streamed dump of each serves all of them. */
import { allChains } from '../../core/kube-proxy/chain-names.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import { declaredChain, dumpChains, pushTo, ruleChain } from './dump-chains.ts';
import type { Emit } from '../io/emit.ts';
import { emitNatHooks, HookChains } from './read-hook-chains.ts';
import {
  chainRecord,
  commonChains,
  ownJumps,
  reachableChains,
  selectorOf,
  sharedFilterChains,
  sharedNatChains,
  type ServiceSelector,
} from './service-selector.ts';

/**
 * Reads one family: one dump of nat and one of filter. The dump has its chains in the order of their names, so that the
 * rules of KUBE-SEP chains come before those that lead to them: the ones whose comment names an asked Service are kept.
 * Where rules lead to a chain that was not kept (kube-proxy leaves comments out above 1,000 endpoints; other names), a
 * second dump of nat reads those.
 * @param tables that the kernel holds (/proc/net/ip_tables_names); naming another one would make it
 */
export async function readLegacyBackend(
  commands: Commands,
  family: Family,
  tables: ReadonlySet<string>,
  services: readonly ProbeRequestService[],
  emit: Emit,
): Promise<void> {
  const tool = family === 'IPv4' ? 'iptables-legacy' : 'ip6tables-legacy';
  const selectors = services.map(selectorOf);
  const [nat, filter] = await Promise.all(
    (
      [
        ['nat', sharedNatChains],
        ['filter', sharedFilterChains],
      ] as const
    ).map(async ([table, shared]) =>
      tables.has(table) ? dump(commands, `${tool}-save`, table, shared, selectors) : undefined,
    ),
  );
  for (const [table, found] of [
    ['nat', nat],
    ['filter', filter],
  ] as const) {
    if (found?.problem !== undefined)
      emit({ kind: 'unread', family, part: 'rules', what: `rules of ${tool}, table ${table}`, reason: found.problem });
  }
  if (filter !== undefined && filter.problem === undefined) {
    selectors.forEach(({ service }, index) => {
      for (const chain of sharedFilterChains)
        emit(chainRecord(service, 'legacy', family, 'filter', chain, 'matching', filter.matching(chain, index)));
    });
  }
  if (nat === undefined || nat.problem !== undefined) return;
  emitNatHooks(nat.hooks, { family, backend: 'legacy' }, emit);
  const linesOf = (chain: string): readonly string[] => nat.lines.get(chain) ?? [];
  const roots = selectors.map((selector, index) => [
    ...new Set([
      ...selector.names.flatMap(allChains).filter((chain) => nat.present.has(chain)),
      ...ownJumps(['KUBE-SERVICES', 'KUBE-NODEPORTS'].flatMap((chain) => nat.matching(chain, index) ?? [])),
    ]),
  ]);
  const looked = new Set<string>();
  for (;;) {
    const missing = roots
      .flatMap((each) => reachableChains(each, linesOf))
      .filter((chain) => nat.present.has(chain) && !nat.lines.has(chain) && !looked.has(chain));
    if (missing.length === 0) break;
    missing.forEach((chain) => looked.add(chain));
    const again = await dumpChains(commands, `${tool}-save`, new Set(missing));
    if (again.problem !== undefined)
      emit({ kind: 'unread', family, part: 'rules', what: `rules of ${tool}, table nat`, reason: again.problem });
    for (const [chain, lines] of again.lines) nat.lines.set(chain, lines);
  }
  selectors.forEach(({ service }, index) => {
    for (const chain of sharedNatChains)
      emit(chainRecord(service, 'legacy', family, 'nat', chain, 'matching', nat.matching(chain, index)));
    const own = reachableChains(roots[index] ?? [], linesOf);
    for (const chain of [...own, ...commonChains])
      emit(
        chainRecord(
          service,
          'legacy',
          family,
          'nat',
          chain,
          'all',
          nat.present.has(chain) ? linesOf(chain) : undefined,
        ),
      );
  });
}

interface Dump {
  readonly present: ReadonlySet<string>;
  /** Rules of chains that were kept whole. */
  readonly lines: Map<string, string[]>;
  /** Rules of a shared chain that concern the Service of this index; undefined where there is no such chain. */
  matching(chain: string, index: number): string[] | undefined;
  /** Chains that are no Service's. */
  readonly hooks: ReturnType<HookChains['takeAll']>;
  readonly problem?: string;
}

async function dump(
  commands: Commands,
  program: string,
  table: string,
  shared: readonly string[],
  selectors: readonly ServiceSelector[],
): Promise<Dump> {
  const present = new Set<string>();
  const lines = new Map<string, string[]>();
  const concerning = new Map<string, string[][]>(shared.map((chain) => [chain, selectors.map(() => [])]));
  const whole = new Set(
    table === 'nat' ? [...commonChains, ...selectors.flatMap(({ names }) => names.flatMap(allChains))] : [],
  );
  // `"namespace/name` begins a comment in quotes, ` namespace/name` one without.
  const marks = selectors.map(
    ({ service }) => new RegExp(`--comment "?${service.replaceAll('.', '\\.')}(?:[":\\s]|$)`),
  );
  // The rules of a chain stand together; which Service they are of may be told by any of them.
  let candidate: { chain: string; lines: string[] } = { chain: '', lines: [] };
  const hooks = new HookChains();
  const { status, problem } = await commands.stream([program, '-c', '-t', table], (line) => {
    if (table === 'nat') hooks.push(line);
    const declared = declaredChain(line);
    if (declared !== undefined) present.add(declared);
    const chain = ruleChain(line);
    if (chain === undefined) return;
    const lists = concerning.get(chain);
    if (lists !== undefined)
      selectors.forEach((selector, index) => {
        if (selector.concerns(line)) lists[index]?.push(line);
      });
    else if (whole.has(chain)) pushTo(lines, chain, line);
    else if (chain.startsWith('KUBE-SEP-')) {
      if (chain !== candidate.chain) candidate = { chain, lines: [] };
      candidate.lines.push(line);
      if (marks.some((mark) => mark.test(line))) lines.set(chain, candidate.lines);
    }
  });
  return {
    present,
    lines,
    matching: (chain, index) => (present.has(chain) ? (concerning.get(chain)?.[index] ?? []) : undefined),
    hooks: hooks.takeAll(),
    ...(status === 0 ? {} : { problem }),
  };
}
