/** Reads Services from iptables on nf_tables, chain by chain: it costs what the Services cost, not what the cluster does. */
import { proveDispatch, type ReferencedChain } from '../../core/kube-proxy/dispatch-references.ts';
import { allChains } from '../../core/kube-proxy/chain-names.ts';
import type { ProbeRequest, ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { readChains, type ChainSource } from './chain-source.ts';
import { emitNatHooks, HookChains, natHooks } from './read-hook-chains.ts';
import type { ChainQuestion, ListedChain } from './list-chains.ts';
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

type DispatchProof = NonNullable<ReturnType<typeof proveDispatch>>;

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
  const selectors = services.map(selectorOf);
  // What was read of rules that changed meanwhile is not emitted.
  const records = await readChains(commands, family, async (source) => {
    const found: Parameters<Emit>[0][] = [];
    const keep: Emit = (record) => {
      found.push(record);
    };
    const reading = new FamilyReading(source, family, tables, selectors, dispatch);
    await reading.readNamedChains();
    if (tables.has('nat')) await readNatHooks(reading.nat, (chains) => reading.list('nat', chains), family, keep);
    reading.keepConcerning();
    await reading.proveDispatch();
    await reading.followJumps();
    reading.emitTo(keep);
    return found;
  });
  for (const record of records) emit(record);
}

/** The chains of one family, as they are read step by step: what was read decides what is read next. */
class FamilyReading {
  readonly #source: ChainSource;
  readonly #family: Family;
  readonly #tables: ReadonlySet<string>;
  readonly #selectors: readonly ServiceSelector[];
  /** Chains are asked for their counts of references, so that KUBE-SERVICES need not be listed. */
  readonly #asReferences: boolean;
  readonly #listsNodePorts: boolean;
  /** What could not be read, by the table. */
  readonly #problems = new Map<string, string>();
  /** What the counts of references prove, by the Service; undefined where they leave a doubt. */
  #proofs: ReadonlyMap<string, DispatchProof | undefined> = new Map();
  readonly nat = new Map<string, ListedChain>();
  #filter: ReadonlyMap<string, ListedChain> = new Map();

  constructor(
    source: ChainSource,
    family: Family,
    tables: ReadonlySet<string>,
    selectors: readonly ServiceSelector[],
    dispatch: ProbeRequest['collect']['dispatch'],
  ) {
    this.#source = source;
    this.#family = family;
    this.#tables = tables;
    this.#selectors = selectors;
    this.#asReferences = dispatch === 'References';
    this.#listsNodePorts =
      !this.#asReferences ||
      selectors.some(({ request }) => request.ports.some(({ nodePort }) => nodePort !== undefined));
  }

  list(table: string, chains: readonly string[]): Promise<Map<string, ListedChain>> {
    return this.#ask(
      table,
      chains.map((chain) => ({ chain })),
    );
  }

  async #ask(table: string, questions: readonly ChainQuestion[]): Promise<Map<string, ListedChain>> {
    if (!this.#tables.has(table) || questions.length === 0) return new Map();
    const { chains, problem } = await this.#source.list(table, questions);
    if (problem !== undefined) this.#problems.set(table, problem);
    return chains;
  }

  /** Of these, keepConcerning keeps what concerns some of the Services. */
  #dispatchChain(chain: string): ChainQuestion {
    return { chain, having: this.#selectors.flatMap(({ bytes }) => bytes) };
  }

  #add(chains: ReadonlyMap<string, ListedChain>): void {
    for (const [name, chain] of chains) this.nat.set(name, chain);
  }

  /** The Services' chains by their computed names, and the shared ones. */
  async readNamedChains(): Promise<void> {
    const asReferences = this.#asReferences;
    // One question at a time: netlink answers in their order.
    this.#filter = await this.list('filter', sharedFilterChains);
    this.#add(
      await this.#ask('nat', [
        ...this.#selectors.flatMap((selector) =>
          namesToAsk(selector).map((chain) => ({ chain, references: asReferences })),
        ),
        ...(this.#listsNodePorts ? [{ ...this.#dispatchChain('KUBE-NODEPORTS'), references: asReferences }] : []),
        ...(asReferences ? [] : [this.#dispatchChain('KUBE-SERVICES')]),
        ...[...natHooks, ...commonChains].map((chain) => ({ chain })),
      ]),
    );
    // A Service whose internal traffic stays on its node has a KUBE-SVL chain instead.
    const locals = this.#selectors
      .filter(({ external }) => !external)
      .flatMap(({ names }) => names.flatMap(({ cluster, local }) => (this.nat.has(cluster) ? [] : [local])));
    this.#add(
      await this.#ask(
        'nat',
        locals.map((chain) => ({ chain, references: asReferences })),
      ),
    );
  }

  /** Of a chain that all Services share, only the lines that concern some of the asked ones are worth keeping. */
  keepConcerning(): void {
    for (const name of sharedNatChains) {
      const lines = this.nat.get(name)?.lines;
      lines?.splice(
        0,
        lines.length,
        ...lines.filter((line) => this.#selectors.some((selector) => selector.concerns(line))),
      );
    }
  }

  /** Where the counts of references leave a doubt about some Service, the dispatch chains are listed. */
  async proveDispatch(): Promise<void> {
    if (!this.#asReferences) return;
    this.#proofs = new Map(
      this.#selectors.map((selector) => [selector.service, proofOf(selector, this.#family, this.nat, this.#filter)]),
    );
    if ([...this.#proofs.values()].every((proof) => proof !== undefined)) return;
    const chains = ['KUBE-SERVICES', ...(this.#listsNodePorts ? [] : ['KUBE-NODEPORTS'])];
    this.#add(
      await this.#ask(
        'nat',
        chains.map((chain) => this.#dispatchChain(chain)),
      ),
    );
    this.keepConcerning();
  }

  /** Every round reads the chains that the rules of the former one jump to. */
  async followJumps(): Promise<void> {
    const asked = new Set(this.nat.keys());
    for (;;) {
      const next = [...new Set(this.#selectors.flatMap((selector) => this.#reachable(selector)))].filter(
        (chain) => !asked.has(chain),
      );
      if (next.length === 0) return;
      next.forEach((chain) => asked.add(chain));
      this.#add(await this.list('nat', next));
    }
  }

  /** Chains that the Service's packets may reach, as far as they were read. */
  #reachable(selector: ServiceSelector): string[] {
    const roots = new Set([
      ...selector.names.flatMap(allChains).filter((chain) => this.nat.has(chain)),
      ...ownJumps(
        ['KUBE-SERVICES', 'KUBE-NODEPORTS'].flatMap((chain) => concerning(selector, this.nat.get(chain)) ?? []),
      ),
    ]);
    return reachableChains([...roots], (chain) => this.nat.get(chain)?.lines ?? []);
  }

  emitTo(emit: Emit): void {
    for (const selector of this.#selectors) this.#emitService(selector, emit);
    for (const [table, problem] of this.#problems)
      emit({
        kind: 'unread',
        family: this.#family,
        part: 'rules',
        what: `rules of ${this.#family === 'IPv4' ? 'iptables-nft' : 'ip6tables-nft'}, table ${table}`,
        reason: problem,
      });
  }

  #emitService(selector: ServiceSelector, emit: Emit): void {
    const { service } = selector;
    const family = this.#family;
    const proof = this.#proofs.get(service);
    for (const chain of sharedNatChains) {
      if (chain === 'KUBE-SERVICES' && proof !== undefined)
        emit({ kind: 'dispatchReferences', service, backend: 'nf_tables', family, table: 'nat', chain, ...proof });
      else if (chain !== 'KUBE-NODEPORTS' || this.#listsNodePorts || proof === undefined)
        emit(
          chainRecord(
            service,
            'nf_tables',
            family,
            'nat',
            chain,
            'matching',
            concerning(selector, this.nat.get(chain)),
          ),
        );
    }
    for (const chain of sharedFilterChains)
      emit(
        chainRecord(
          service,
          'nf_tables',
          family,
          'filter',
          chain,
          'matching',
          concerning(selector, this.#filter.get(chain)),
        ),
      );
    for (const chain of [...this.#reachable(selector), ...commonChains])
      emit(chainRecord(service, 'nf_tables', family, 'nat', chain, 'all', this.nat.get(chain)?.lines));
  }
}

/** The chain's lines that concern the Service; undefined where the chain was not read. */
function concerning(selector: ServiceSelector, chain: ListedChain | undefined): string[] | undefined {
  return chain?.lines.filter((line) => selector.concerns(line));
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
): DispatchProof | undefined {
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
