/**
 * Reads Services from the legacy tables. The kernel gives a table whole or not at all: of what it gives, only the chains that the
 * Services' packets meet are decoded. Where that cannot be had, or such a chain holds what is not known here, the tool's
 * printed table is streamed, once for all Services.
 */
import { iptablesChainKind } from '../../core/kube-proxy/chain-kinds.ts';
import { jumpPosition } from '../../core/iptables/entries/print-entry.ts';
import { neededBytes, selectRules, type WantedRules } from '../../core/iptables/entries/select.ts';
import { allChains } from '../../core/kube-proxy/chain-names.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import { declaredChain, dumpChains, pushTo, ruleChain } from './dump-chains.ts';
import type { Emit } from '../io/emit.ts';
import { LegacyTable, type LegacyChain } from './legacy-table.ts';
import { emitNatHooks, HookChains, isServiceChain } from './read-hook-chains.ts';
import {
  chainRecord,
  commonChains,
  ownJumps,
  provenAddresses,
  reachableChains,
  selectorOf,
  sharedFilterChains,
  sharedNatChains,
  type ServiceSelector,
} from './service-selector.ts';

/**
 * Reads one family: nat and filter.
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
      tables.has(table) ? readTable(commands, family, `${tool}-save`, table, shared, selectors) : undefined,
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
    const again = await dumpChains(commands, `${tool}-save`, 'nat', new Set(missing));
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

async function readTable(
  commands: Commands,
  family: Family,
  program: string,
  name: string,
  shared: readonly string[],
  selectors: readonly ServiceSelector[],
): Promise<Dump> {
  const table = await LegacyTable.open(commands, family, name);
  if (table !== undefined) {
    try {
      return await decode(table, family, name, shared, selectors);
    } catch {
      // A chain that is needed holds what is not known here; the tool knows it.
    } finally {
      table.close();
    }
  }
  return dump(commands, program, name, shared, selectors);
}

/** What the Services' packets meet, from the hooks on, and the Services' own chains that nothing jumps to. @throws LegacyTableError; Error */
async function decode(
  table: LegacyTable,
  family: Family,
  name: string,
  shared: readonly string[],
  selectors: readonly ServiceSelector[],
): Promise<Dump> {
  const lines = new Map<string, string[]>();
  const concerning = new Map<string, string[]>();
  const hooks = new HookChains();
  const ownNames = selectors.flatMap(({ names }) => names.flatMap(allChains));
  // Of filter, the shared chains alone are read.
  const isNat = name === 'nat';
  const hooked = isNat ? table.hooked : [];
  const own = isNat ? await table.chainsNamed(ownNames) : [];
  // What ServiceSelector.concerns looks for; KUBE-NODEPORTS is jumped to by a rule for every destination.
  const wanted = {
    destinations: selectors.flatMap(({ request }) => provenAddresses(request)),
    chains: own.map(({ start }) => start),
    texts: selectors.map(({ service }) => service),
  };
  const nodePorts = selectors.flatMap(({ request }) => request.ports.flatMap(({ nodePort }) => nodePort ?? []));
  const wantedOf = (chain: string): WantedRules => ({
    ...wanted,
    destinationPorts: chain === 'KUBE-NODEPORTS' ? nodePorts : 'all',
  });
  for (const chain of shared.filter(isServiceChain)) table.readOnly(chain, neededBytes(family, wantedOf(chain)));
  const seen = new Set<number>();
  /** Positions of the chains that the ones which were read jump to. */
  const read = async ({ name: chain, start, stretches }: LegacyChain): Promise<number[]> => {
    if (seen.has(start)) return [];
    seen.add(start);
    const isShared = shared.includes(chain);
    const selected = isShared && isServiceChain(chain) ? wantedOf(chain) : undefined;
    const text: string[] = [];
    const jumps: number[] = [];
    for (const stretch of stretches) {
      const { entries, rules } = stretch;
      const some = selected === undefined ? rules : selectRules(entries, rules, selected);
      text.push(...(await table.linesOf(chain, stretch, some)));
      jumps.push(...some.flatMap((at) => jumpPosition(entries, at) ?? []));
    }
    if (isShared) concerning.set(chain, text);
    if (selected === undefined) lines.set(chain, text);
    return jumps;
  };
  const readAll = async (chains: readonly LegacyChain[]): Promise<void> => {
    for (let next = chains; next.length > 0;) {
      const jumps: number[] = [];
      for (const chain of next) jumps.push(...(await read(chain)));
      next = await table.chainsAt(jumps.filter((position) => !seen.has(position)));
    }
  };
  await readAll([...hooked, ...own]);
  const isRead = (chain: string): boolean => concerning.has(chain) || lines.has(chain);
  const unreached = [...shared, ...(isNat ? commonChains : [])].filter((chain) => !isRead(chain));
  await readAll(await table.chainsNamed(unreached));
  for (const { name: chain, declaration } of hooked) {
    hooks.push(declaration);
    for (const line of lines.get(chain) ?? []) hooks.push(line);
  }
  const declared = new Set(hooked.map(({ name: chain }) => chain));
  for (const [chain, text] of [...lines].sort(([one], [other]) => (one < other ? -1 : 1)))
    if (!declared.has(chain) && !isServiceChain(chain)) {
      hooks.push(`:${chain} - [0:0]`);
      for (const line of text) hooks.push(line);
    }
  return {
    present: new Set([...concerning.keys(), ...lines.keys()]),
    lines,
    matching: (chain, index) => {
      const selector = selectors[index];
      return selector === undefined ? undefined : concerning.get(chain)?.filter((line) => selector.concerns(line));
    },
    hooks: hooks.takeAll(),
  };
}

/**
 * The printed table. It has its chains in the order of their names, so that the rules of KUBE-SEP chains come before those that
 * jump to them: the ones whose comment names an asked Service are kept. Where rules jump to a chain that was not kept
 * (kube-proxy leaves comments out above 1,000 endpoints; other names), those are read from a second one.
 */
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
  // The rules of a chain stand together; any of them may show which Service they are of.
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
    else if (iptablesChainKind(chain) === 'endpoint') {
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
