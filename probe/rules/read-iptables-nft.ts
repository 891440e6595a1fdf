/** Reads Services from iptables on nf_tables, chain by chain: it costs what the Services cost, not what the cluster does. */
import { proveDispatch, type ReferencedChain } from '../../core/kube-proxy/dispatch-references.ts';
import { allChains } from '../../core/kube-proxy/chain-names.ts';
import type { ProbeRequest, ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { dumpChains } from './dump-chains.ts';
import { emitNatHooks, HookChains, natHooks } from './read-hook-chains.ts';
import { listChains, type ChainQuestion, type ListedChain } from './list-chains.ts';
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

/** Above this many chains, one dump costs less than a run of the tool for each of them. */
const maxTargetedChains = 256;

/**
 * Reads one family: the Services' own chains by their computed names, and those that their rules jump to, whatever
 * their names; the shared chains, of which KUBE-SERVICES is as long as the cluster has Services.
 * @param tables of this family that the kernel holds; iptables-nft is not called for another, for it would make it
 * @param dispatch References: KUBE-SERVICES is listed only for Services whose counts of references leave a doubt
 */
export async function readNftBackend(
  commands: Commands,
  family: Family,
  tables: ReadonlySet<string>,
  services: readonly ProbeRequestService[],
  dispatch: ProbeRequest['collect']['dispatch'],
  emit: Emit,
): Promise<void> {
  const program = family === 'IPv4' ? 'iptables-nft' : 'ip6tables-nft';
  const selectors = services.map(selectorOf);
  const problems = new Map<string, string>();
  const list = async (table: string, questions: readonly ChainQuestion[]): Promise<Map<string, ListedChain>> => {
    if (!tables.has(table) || questions.length === 0) return new Map();
    const { chains, problem } = await listChains(commands, program, table, questions);
    if (problem !== undefined) problems.set(table, problem);
    return chains;
  };
  /** Of a chain that all Services share, only the lines that concern some of the asked ones are worth keeping. */
  const keepConcerning = (chains: ReadonlyMap<string, ListedChain>): void => {
    for (const name of sharedNatChains) {
      const lines = chains.get(name)?.lines;
      lines?.splice(0, lines.length, ...lines.filter((line) => selectors.some((selector) => selector.concerns(line))));
    }
  };

  const asReferences = dispatch === 'References';
  const listsNodePorts =
    !asReferences || selectors.some(({ request }) => request.ports.some(({ nodePort }) => nodePort !== undefined));
  const [filter, nat] = await Promise.all([
    list(
      'filter',
      sharedFilterChains.map((chain) => ({ chain })),
    ),
    list('nat', [
      ...selectors.flatMap((selector) => namesToAsk(selector).map((chain) => ({ chain, references: asReferences }))),
      ...(listsNodePorts ? [{ chain: 'KUBE-NODEPORTS', references: asReferences }] : []),
      ...[...natHooks, ...commonChains, ...(asReferences ? [] : ['KUBE-SERVICES'])].map((chain) => ({ chain })),
    ]),
  ]);
  // A Service whose internal traffic stays on its node has a KUBE-SVL chain instead.
  const locals = selectors
    .filter(({ external }) => !external)
    .flatMap(({ names }) => names.flatMap(({ cluster, local }) => (nat.has(cluster) ? [] : [local])));
  for (const [name, chain] of await list(
    'nat',
    locals.map((chain) => ({ chain, references: asReferences })),
  ))
    nat.set(name, chain);
  if (tables.has('nat'))
    await readNatHooks(
      nat,
      (chains) =>
        list(
          'nat',
          chains.map((chain) => ({ chain })),
        ),
      family,
      emit,
    );
  keepConcerning(nat);

  const proofs = new Map(
    asReferences
      ? selectors.map((selector) => [selector.service, proofOf(selector, family, nat, filter)] as const)
      : [],
  );
  if (asReferences && selectors.some(({ service }) => proofs.get(service) === undefined)) {
    const missing = ['KUBE-SERVICES', ...(listsNodePorts ? [] : ['KUBE-NODEPORTS'])];
    for (const [name, chain] of await list(
      'nat',
      missing.map((each) => ({ chain: each })),
    ))
      nat.set(name, chain);
    keepConcerning(nat);
  }

  const linesOf = (chain: string): readonly string[] => nat.get(chain)?.lines ?? [];
  const matching = (selector: ServiceSelector, chain: string): string[] | undefined =>
    nat.get(chain)?.lines.filter((line) => selector.concerns(line));
  const roots = (selector: ServiceSelector): string[] => [
    ...new Set([
      ...selector.names.flatMap(allChains).filter((chain) => nat.has(chain)),
      ...ownJumps(['KUBE-SERVICES', 'KUBE-NODEPORTS'].flatMap((chain) => matching(selector, chain) ?? [])),
    ]),
  ];
  // Every round reads the chains that the rules of the former one jump to.
  const asked = new Set(nat.keys());
  for (;;) {
    const next = [...new Set(selectors.flatMap((selector) => reachableChains(roots(selector), linesOf)))].filter(
      (chain) => !asked.has(chain),
    );
    if (next.length === 0) break;
    next.forEach((chain) => asked.add(chain));
    const found =
      next.length <= maxTargetedChains
        ? await list(
            'nat',
            next.map((chain) => ({ chain })),
          )
        : await dumped(next);
    for (const [name, chain] of found) nat.set(name, chain);
  }
  async function dumped(chains: readonly string[]): Promise<Map<string, ListedChain>> {
    const { lines, present, problem } = await dumpChains(commands, `${program}-save`, new Set(chains));
    if (problem !== undefined) problems.set('nat', problem);
    return new Map([...present].map((chain) => [chain, { lines: lines.get(chain) ?? [] }]));
  }

  for (const selector of selectors) {
    const { service } = selector;
    const proof = proofs.get(service);
    for (const chain of sharedNatChains) {
      if (chain === 'KUBE-SERVICES' && proof !== undefined)
        emit({ kind: 'dispatchReferences', service, backend: 'nf_tables', family, table: 'nat', chain, ...proof });
      else if (chain !== 'KUBE-NODEPORTS' || listsNodePorts || proof === undefined)
        emit(chainRecord(service, 'nf_tables', family, 'nat', chain, 'matching', matching(selector, chain)));
    }
    for (const chain of sharedFilterChains) {
      emit(
        chainRecord(
          service,
          'nf_tables',
          family,
          'filter',
          chain,
          'matching',
          filter.get(chain)?.lines.filter((line) => selector.concerns(line)),
        ),
      );
    }
    for (const chain of reachableChains(roots(selector), linesOf))
      emit(chainRecord(service, 'nf_tables', family, 'nat', chain, 'all', nat.get(chain)?.lines));
    for (const chain of commonChains)
      emit(chainRecord(service, 'nf_tables', family, 'nat', chain, 'all', nat.get(chain)?.lines));
  }
  for (const [table, problem] of problems)
    emit({ kind: 'unread', family, part: 'rules', what: `rules of ${program}, table ${table}`, reason: problem });
}

/** So many third-party chains are followed from nat's hooks; what stands behind them is reported as not read. */
const mostHookChains = 100;

/** What nat's hooks jump to beside kube-proxy's chains, which are read already. */
async function readNatHooks(
  nat: ReadonlyMap<string, ListedChain>,
  list: (chains: readonly string[]) => Promise<ReadonlyMap<string, ListedChain>>,
  family: Family,
  emit: Emit,
): Promise<void> {
  const lines = new Map(
    natHooks.flatMap((name) => {
      const found = nat.get(name);
      return found === undefined ? [] : [[name, [...found.lines]] as const];
    }),
  );
  const asked = new Set(lines.keys());
  for (;;) {
    const next = ownJumps([...lines.values()].flat())
      .filter((chain) => !chain.startsWith('KUBE-') && !asked.has(chain))
      .slice(0, mostHookChains - asked.size);
    if (next.length === 0) break;
    next.forEach((chain) => asked.add(chain));
    for (const [name, chain] of await list(next)) lines.set(name, chain.lines);
  }
  const chains = new HookChains();
  for (const [name, own] of lines) {
    chains.push(natHooks.includes(name) ? `-P ${name} ACCEPT` : `-N ${name}`);
    for (const line of own) chains.push(line);
  }
  emitNatHooks(chains.takeAll(), { family, backend: 'nf_tables' }, emit);
}

/** Chains that a Service of cluster IPs alone cannot have are not asked for: the references to KUBE-SVC would betray them. */
function namesToAsk({ names, external, request }: ServiceSelector): string[] {
  if (!external) return names.map(({ cluster }) => cluster);
  return names.flatMap(({ cluster, local, external: toExternal, firewall }) => [
    cluster,
    local,
    toExternal,
    ...(request.loadBalancerIPs.length === 0 ? [] : [firewall]),
  ]);
}

function proofOf(
  selector: ServiceSelector,
  family: Family,
  nat: ReadonlyMap<string, ListedChain>,
  filter: ReadonlyMap<string, ListedChain>,
): ReturnType<typeof proveDispatch> {
  // Packets have to come to KUBE-SERVICES at all.
  if (
    !['PREROUTING', 'OUTPUT'].every(
      (chain) => nat.get(chain)?.lines.some((line) => / -[jg] KUBE-SERVICES(?: |$)/.test(line)) === true,
    )
  )
    return undefined;
  const chains = new Map<string, ReferencedChain>();
  for (const chain of [...selector.names.flatMap(allChains), 'KUBE-NODEPORTS']) {
    const found = nat.get(chain);
    if (found?.references !== undefined) chains.set(chain, { lines: found.lines, references: found.references });
  }
  return proveDispatch(selector.request, family, { nat: chains, refusals: filter.get('KUBE-SERVICES')?.lines ?? [] });
}
