/** What third-party rules do with a Service's packets, and with the answers to them. */
import { masqueradeChains } from '../../kube-proxy/chain-kinds.ts';
import type { Action } from '../../evaluate/action.ts';
import type { addressSet } from '../../net/address.ts';
import { comparableAddress, hostPort } from '../../net/address.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { answerTo, fateOf } from '../../evaluate/answer.ts';
import { type Leaf, type Packet, type Step, type WalkResult, assuming } from '../../evaluate/walk.ts';
import { isOwnAddress } from '../../evaluate/walk-hooks.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { oncePer } from '../../lib/once-per.ts';
import type { FrontendProgram, RuleReference } from '../../program/program.ts';
import { bridgesBeside } from '../../program/walk-all-rules.ts';
import { readAllHooks, type AllHooks } from '../../program/foreign-hooks.ts';
import type { DesiredService } from '../../api/service.ts';
import type { Family } from '../../net/family.ts';

export interface ForeignFault {
  /** Whose packets: "clients outside". */
  readonly client: string;
  readonly frontend: FrontendProgram;
  readonly kind: ForeignKind;
  /** The rule as its tool prints it, behind its table. */
  readonly rule: string;
  /** Where the rule stands; absent for a policy. */
  readonly place?: RuleReference;
  /** A program, or "another program". */
  readonly owner: string;
  /** What is not known and decides whether it is so; empty where it surely is. */
  readonly unless: readonly string[];
  /** Where a DNAT sends packets. */
  readonly to?: string;
}

export type ForeignKind =
  /** Dropped or rejected. */
  | 'stops'
  /** Sent elsewhere. */
  | 'diverts'
  /** Kept from kube-proxy's rules. */
  | 'hides'
  /** Not masqueraded, though kube-proxy's rules would: answers miss the node. */
  | 'unmasks'
  /** The answers to them are dropped or rejected. */
  | 'stopsAnswers'
  /** Conntrack does not know the answers to them: they come from an address that the client did not ask. */
  | 'losesAnswers';

/**
 * The port that a client is taken to have, or a masquerading node to give it: one of those that every system chooses from
 * (RFC 6335 section 6; ip_local_port_range). A rule for the port of another service would not be about these packets.
 */
const clientPort = 50_000;

/** A packet to evaluate for one frontend. Those that kube-proxy's own rules send to an endpoint traverse all rules. */
export interface EvaluatedPacket {
  readonly client: string;
  readonly packet: Packet;
  /** Whether the client is on this node, or is the node: its answers come back over it, masqueraded or not. */
  readonly isOnNode: boolean;
}

/** Undefined where a node's report holds no third-party rules. */
export function foreignHooks(
  facts: NodeFacts,
  { namespace, name }: DesiredService,
  family: Family,
  cluster: ClusterFacts | undefined,
): AllHooks | undefined {
  return facts.read === undefined
    ? undefined
    : readAllHooks(facts.read.report, `${namespace}/${name}`, family, bridgesBeside(facts.read.report, cluster));
}

/** With what could not be followed on the packet path. */
export interface ForeignFound {
  readonly faults: readonly ForeignFault[];
  readonly unfollowed: readonly string[];
}

/** One fault before it is known whether it surely is one. */
interface Found {
  readonly leaf: Leaf;
  readonly kind: ForeignKind;
  readonly step: Step | undefined;
  readonly to?: string;
}

/** Asks the rules of one node and family; what several frontends ask alike is walked once. */
export class ForeignJudge {
  readonly #hooks: AllHooks;
  readonly #own: string;
  readonly #walked = new Map<string, WalkResult>();
  /** What could not be followed of what is being asked. */
  #unknown = new Set<string>();

  /** @param own the address by which other nodes know this one */
  constructor(hooks: AllHooks, own: string) {
    this.#hooks = hooks;
    this.#own = own;
  }

  /**
   * The result of packets to the frontend that enter this node, and of the answers that come back over it.
   * @param onNode the endpoints on this node
   */
  frontend(
    frontend: FrontendProgram,
    asked: readonly EvaluatedPacket[],
    onNode: ReturnType<typeof addressSet>,
  ): ForeignFound {
    return this.#judge(frontend, asked, (each) => this.#ofFrontend(frontend, each, onNode));
  }

  /** The result of packets that other nodes have sent on to endpoints on this one, and of the answers. */
  endpoints(frontend: FrontendProgram, asked: readonly EvaluatedPacket[]): ForeignFound {
    return this.#judge(frontend, asked, ({ packet }) => {
      const leaves = this.#walk(packet);
      const found = leaves.flatMap((leaf): Found[] => {
        if (leaf.verdict === 'DROP' || leaf.verdict === 'REJECT')
          return isKubeStop(leaf) ? [] : [{ leaf, kind: 'stops', step: stoppingStep(leaf) }];
        if (leaf.dnat !== undefined)
          return isKubeStep(leaf.dnat.by)
            ? []
            : [{ leaf, kind: 'diverts', step: leaf.dnat.by, to: hostPort(leaf.dnat.address, leaf.dnat.port) }];
        return [];
      });
      return {
        found: [...found, ...this.#answers(packet, withoutFound(leaves, found))],
        isWhole: found.length === leaves.length,
      };
    });
  }

  #walk(packet: Packet): readonly Leaf[] {
    const key = JSON.stringify(packet);
    const walked = this.#walked.get(key) ?? this.#hooks.walk(packet);
    this.#walked.set(key, walked);
    for (const text of walked.unknown) this.#unknown.add(text);
    return walked.leaves;
  }

  #judge(
    frontend: FrontendProgram,
    asked: readonly EvaluatedPacket[],
    ask: (asked: EvaluatedPacket) => { readonly found: readonly Found[]; readonly isWhole: boolean } | undefined,
  ): ForeignFound {
    const unfollowed = new Set<string>();
    const faults = asked.flatMap((each): ForeignFault[] => {
      this.#unknown = new Set();
      const { found, isWhole } = ask(each) ?? { found: [], isWhole: false };
      const unknown = [...this.#unknown];
      for (const text of unknown) unfollowed.add(text);
      const isSure = found.some(({ leaf: { assumed } }) => assumed === undefined) && unknown.length === 0;
      const isAll = isWhole && unknown.length === 0;
      return (
        oneOfEach(found)
          // What is surely so needs no second rule that may be so as well.
          .filter(({ leaf }) => isAll || !isSure || leaf.assumed === undefined)
          .map(({ leaf, kind, step, to }): ForeignFault => {
            const order = kind === 'diverts' || kind === 'hides' || kind === 'unmasks' ? this.#orderDoubt(step) : [];
            const assumed = isAll
              ? []
              : (leaf.assumed ?? [])
                  .filter(({ of }) => of === 'condition')
                  .map(({ rule, holds }) => `whether it ${holds ? 'meets' : 'does not meet'} ${rule}`);
            return {
              client: each.client,
              frontend,
              kind,
              rule:
                step === undefined
                  ? `policy of ${leaf.droppedByPolicyOf ?? ''} is DROP, and no rule accepts the packets before`
                  : `${step.table}: ${step.rule}`,
              ...(step === undefined ? {} : { place: { table: step.table, chain: step.chain, rule: step.rule } }),
              owner: ownerOf(leaf, step),
              unless: [...assumed, ...order, ...unknown],
              ...(to === undefined ? {} : { to }),
            };
          })
      );
    });
    return { faults, unfollowed: [...unfollowed] };
  }

  #orderDoubt(step: Step | undefined): string[] {
    return this.#hooks.isBeside(step?.table ?? '')
      ? [
          `whether table ${step?.table ?? ''} comes before kube-proxy's rules, for both are registered at the same priority`,
        ]
      : [];
  }

  #ofFrontend(
    frontend: FrontendProgram,
    { packet: asked, isOnNode }: EvaluatedPacket,
    onNode: ReturnType<typeof addressSet>,
  ): { readonly found: readonly Found[]; readonly isWhole: boolean } | undefined {
    const packet: Packet = { sourcePort: clientPort, ...asked };
    const own = this.#hooks.walkOwn(asked).leaves;
    if (!own.some(({ verdict }) => verdict === 'DNAT')) return undefined;
    // NodeLocal DNSCache has the cluster IP itself, and keeps its packets from kube-proxy's rules on purpose.
    const isServedHere = frontend.frontend === 'ClusterIP' && isOwnAddress(this.#hooks.machine, packet.destination);
    const leaves = this.#walk(packet);
    const isHere = (leaf: Leaf): boolean =>
      leaf.dnat !== undefined &&
      (isOwnAddress(this.#hooks.machine, leaf.dnat.address) || onNode.has(leaf.dnat.address));
    const found: Found[] = [];
    for (const leaf of leaves) {
      const fault =
        firstFault(leaf, own, isServedHere) ??
        // Nearly all is masqueraded as kube-proxy's own rules would, and where it goes to needs no look.
        (this.#hooks.knowsSourceNat && !leaf.masquerade && masquerades(own) && !isHere(leaf)
          ? unmasked(leaf, own)
          : undefined);
      if (fault !== undefined) found.push({ leaf, ...fault });
    }
    // The answer to a packet that goes on under the client's own address need not come back over this node.
    const sent = withoutFound(leaves, found).filter(
      (leaf) => leaf.verdict === 'DNAT' && (isOnNode || leaf.masquerade || isHere(leaf)),
    );
    return { found: [...found, ...this.#answers(packet, sent)], isWhole: found.length === leaves.length };
  }

  /** Answers to what was sent: one of all endpoints that no rule distinguishes. */
  #answers(packet: Packet, sent: readonly Leaf[]): Found[] {
    const one: Leaf[] = [];
    const kinds = new Map<string, Set<string>>();
    // Leaves of endpoints that were walked together follow each other, and share what decides their kind.
    let last: Leaf | undefined;
    let places = new Set<string>();
    // Nearly all of them stand in the same segment as the one before, too.
    let segment: string | undefined;
    let port: number | undefined;
    for (const leaf of sent) {
      if (last === undefined || !isSameKind(leaf, last)) {
        const kind = kindOf(leaf);
        places = kinds.get(kind) ?? new Set();
        kinds.set(kind, places);
        segment = undefined;
        last = leaf;
      }
      const { dnat } = leaf;
      const own = this.#hooks.segments.keyOf(dnat?.address ?? packet.destination);
      if (own === segment && dnat?.port === port) continue;
      segment = own;
      port = dnat?.port;
      const place = `${segment} ${String(port)}`;
      if (places.has(place)) continue;
      places.add(place);
      one.push(leaf);
    }
    return one.flatMap((first): Found[] => {
      const turned = answerTo(packet, first, this.#hooks.machine, this.#own);
      const answer: Packet = turned.destinationPort === 0 ? { ...turned, destinationPort: clientPort } : turned;
      return this.#walk(answer).flatMap((leaf): Found[] => {
        const fate = fateOf(packet, answer, leaf);
        if (fate === 'arrives' || fate === 'unknown') return [];
        const assumed = [...(first.assumed ?? []), ...(leaf.assumed ?? [])];
        const whole: Leaf = assumed.length === 0 ? leaf : assuming(leaf, assumed);
        const cause = trackingStep(leaf) ?? trackingStep(first);
        if (fate === 'lost') return cause === undefined ? [] : [{ leaf: whole, kind: 'losesAnswers', step: cause }];
        // kube-proxy's own rules drop what conntrack does not know.
        if (isKubeStop(leaf)) return cause === undefined ? [] : [{ leaf: whole, kind: 'losesAnswers', step: cause }];
        return [{ leaf: whole, kind: 'stopsAnswers', step: stoppingStep(leaf) }];
      });
    });
  }
}

/** What of a leaf, beside where it goes to, may make a difference for the answer. */
function kindOf({ masquerade, connection, assumed }: Leaf): string {
  return [
    masquerade,
    connection === undefined ? '' : textOf(connection),
    assumed === undefined ? '' : textOf(assumed),
  ].join(' ');
}

function isSameKind(one: Leaf, other: Leaf): boolean {
  return one.connection === other.connection && one.assumed === other.assumed && one.masquerade === other.masquerade;
}

/** Leaves of endpoints that were walked together share these. */
const textOf = oncePer((shared: NonNullable<Leaf['connection'] | Leaf['assumed']>): string =>
  JSON.stringify('map' in shared ? shared.map(({ rule, holds }) => [rule, holds]) : shared),
);

/** What is found of a thousand endpoints alike is reported once. */
function oneOfEach(found: readonly Found[]): readonly Found[] {
  const known = new Map<Step | undefined, Found[]>();
  return found.filter((each) => {
    const same = known.get(each.step) ?? [];
    if (
      same.some(
        ({ leaf, kind, to }) =>
          kind === each.kind &&
          to === each.to &&
          leaf.assumed === each.leaf.assumed &&
          leaf.decidedBy === each.leaf.decidedBy &&
          leaf.droppedByPolicyOf === each.leaf.droppedByPolicyOf,
      )
    )
      return false;
    known.set(each.step, [...same, each]);
    return true;
  });
}

function withoutFound(leaves: readonly Leaf[], found: readonly Found[]): readonly Leaf[] {
  if (found.length === 0) return leaves;
  const known = new Set(found.map(({ leaf }) => leaf));
  return leaves.filter((leaf) => !known.has(leaf));
}

/** How kube-proxy's own rules end for a packet. */
const refusals = oncePer((own: readonly Leaf[]): ReadonlySet<string> => new Set(own.map(endingOf)));

/** Some branch is neither sent on nor refused. */
const leavesAlone = oncePer((own: readonly Leaf[]): boolean =>
  own.some(({ verdict }) => verdict === 'NONE' || verdict === 'ACCEPT'),
);

/** Some branch is sent on under another source address. */
const masquerades = oncePer((own: readonly Leaf[]): boolean =>
  own.some(({ masquerade, dnat }) => masquerade && dnat !== undefined),
);

/** Where packets are sent to under another source address. */
const masqueraded = oncePer(
  (own: readonly Leaf[]): ReadonlySet<string> =>
    new Set(own.flatMap(({ masquerade, dnat }) => (masquerade && dnat !== undefined ? [placeText(dnat)] : []))),
);

/** Which verdict, of which chain or policy. */
function endingOf({ verdict, decidedBy, droppedByPolicyOf }: Leaf): string {
  return `${verdict} ${droppedByPolicyOf === undefined ? (decidedBy ?? '') : `policy of ${droppedByPolicyOf}`}`;
}

function placeText({ address, port }: { readonly address: string; readonly port: number }): string {
  return hostPort(comparableAddress(address), port);
}

function firstFault(leaf: Leaf, own: readonly Leaf[], isServedHere: boolean): Omit<Found, 'leaf'> | undefined {
  // The path of a leaf may be put together as it is asked for: of thousands that are sent on, nobody asks.
  const { verdict, dnat } = leaf;
  if (verdict === 'DROP' || verdict === 'REJECT') {
    if (isKubeStop(leaf) || refusals(own).has(endingOf(leaf))) return undefined;
    return { kind: 'stops', step: stoppingStep(leaf) };
  }
  if (isServedHere || verdict === 'UNKNOWN') return undefined;
  if (dnat !== undefined)
    return isKubeStep(dnat.by) ? undefined : { kind: 'diverts', step: dnat.by, to: hostPort(dnat.address, dnat.port) };
  if (leavesAlone(own)) return undefined;
  const step = leaf.path.findLast((each) => !isKubeStep(each) && (does(passing, each) || does(untracking, each)));
  return step === undefined ? undefined : { kind: 'hides', step };
}

/** What kube-proxy's own rules masquerade, and all rules together do not. */
function unmasked(leaf: Leaf, own: readonly Leaf[]): Omit<Found, 'leaf'> | undefined {
  const { dnat, masquerade } = leaf;
  if (dnat === undefined || masquerade || !masqueraded(own).has(placeText(dnat))) return undefined;
  const { path } = leaf;
  const behind = path.slice(path.indexOf(dnat.by) + 1).filter((step) => !isKubeStep(step));
  const isEvaluated = path.some(({ chain }) => masqueradeChains.has(chain));
  const marked = behind.findLast((each) => does(marking, each));
  const step = isEvaluated ? marked : (behind.findLast((each) => does(passing, each)) ?? marked);
  return step === undefined ? undefined : { kind: 'unmasks', step };
}

/** The rule that drops or rejects; undefined for a chain's policy. */
function stoppingStep({ droppedByPolicyOf, path }: Leaf): Step | undefined {
  return droppedByPolicyOf === undefined ? path.at(-1) : undefined;
}

/** The rule that keeps packets from conntrack, or puts them into a zone. */
export function trackingStep({ path }: Leaf): Step | undefined {
  return path.findLast((step) => !isKubeStep(step) && does(untracking, step));
}

const passing: ReadonlySet<Action['kind']> = new Set(['accept', 'return']);
const marking: ReadonlySet<Action['kind']> = new Set(['mark', 'connectionMark', 'connmark']);
const untracking: ReadonlySet<Action['kind']> = new Set(['untrack', 'track', 'zone']);

function does(kinds: ReadonlySet<Action['kind']>, { actions }: Step): boolean {
  return actions.some(({ kind }) => kinds.has(kind));
}

/** Whether a rule of kube-proxy's drops or rejects it. */
function isKubeStop(leaf: Leaf): boolean {
  const step = stoppingStep(leaf);
  return step !== undefined && isKubeStep(step);
}

/** Whether the rule is kube-proxy's own. */
export function isKubeStep({ table, chain }: Pick<Step, 'table' | 'chain'>): boolean {
  return table === 'kube-proxy' || chain.startsWith('KUBE-');
}

/** Programs by the beginning of their chains' names. */
const owners: readonly (readonly [RegExp, string])[] = [
  [/^DOCKER/, 'Docker'],
  [/^cali-/, 'Calico'],
  [/^CILIUM_/, 'Cilium'],
  [/^ISTIO_/, 'Istio'],
  [/^ufw6?-/, 'ufw'],
  [/^(?:FWD[IO]?|IN|PRE|POST)_|^(?:INPUT|FORWARD|OUTPUT)_(?:direct|ZONES|POLICIES)|^firewalld$/, 'firewalld'],
  [/^FLANNEL-/, 'flannel'],
  [/^f2b-/, 'fail2ban'],
  [/^CNI-/, 'a CNI plugin'],
  [/^LIBVIRT_|^libvirt_/, 'libvirt'],
  [/^WEAVE-/, 'Weave'],
];

function ownerOf({ decidedBy = '', path }: Leaf, step: Step | undefined): string {
  const names = [
    step?.table ?? '',
    step?.chain ?? '',
    decidedBy,
    ...path.flatMap(({ table, chain }) => [table, chain]),
  ];
  return owners.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1] ?? 'another program';
}
