/** What third-party rules do with the packets of a node's frontends: each kind of client that may send them is judged. */
import { servingTargets, type DesiredTarget } from '../../api/desired-targets.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import type { AddressSegments } from '../../evaluate/address-segments.ts';
import { addressSet, reachableAddresses } from '../../net/address.ts';
import { familyOf, type Family } from '../../net/family.ts';
import { outsideClients } from '../../program/client-walks.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { FrontendProgram } from '../../program/program.ts';
import { foreignHooks, ForeignJudge, type EvaluatedPacket, type ForeignFault } from './foreign-rules.ts';
import { lastButOne, podAddress } from './pod-addresses.ts';
import type { Walked } from './walked-frontend.ts';

/** Of one node and one Service. */
export class ForeignCheck {
  readonly #facts: NodeFacts;
  readonly #desired: DesiredService;
  readonly #cluster: ClusterFacts | undefined;
  readonly #addresses: readonly string[];
  readonly #unread = new Set<string>();
  readonly #judges: ReadonlyMap<Family, { readonly judge: ForeignJudge; readonly segments: AddressSegments }>;

  /** @param addresses of the node itself */
  constructor(
    facts: NodeFacts,
    desired: DesiredService,
    cluster: ClusterFacts | undefined,
    families: readonly Family[],
    addresses: readonly string[],
  ) {
    this.#facts = facts;
    this.#desired = desired;
    this.#cluster = cluster;
    this.#addresses = addresses;
    this.#judges = new Map(
      families.flatMap((family) => {
        const hooks = foreignHooks(facts, desired, family, cluster);
        for (const text of hooks?.unread ?? []) this.#unread.add(text);
        if (hooks === undefined) return [];
        const judge = new ForeignJudge(hooks, reachableAddresses(addresses, family)[0] ?? '');
        return [[family, { judge, segments: hooks.segments }] as const];
      }),
    );
  }

  /** Third-party rules that were not read, or could not be followed by what was judged so far. */
  get unread(): readonly string[] {
    return [...this.#unread];
  }

  faultsOf({ drift: { frontend }, destination }: Walked): readonly ForeignFault[] {
    const own = this.#judges.get(frontend.family);
    if (own === undefined || destination === undefined) return [];
    const onNode = servingTargets(this.#desired, frontend).filter(({ nodeName }) => nodeName === this.#facts.node);
    const found = [
      own.judge.frontend(
        frontend,
        this.#packetsOf(frontend, destination),
        addressSet(onNode.map(({ address }) => address)),
      ),
      own.judge.endpoints(
        frontend,
        arrivals(frontend, onNode, this.#facts, this.#desired, this.#cluster, own.segments),
      ),
    ];
    for (const text of found.flatMap(({ unfollowed }) => unfollowed)) this.#unread.add(text);
    return found.flatMap(({ faults }) => faults);
  }

  /** One packet of each kind of client to the frontend itself. */
  #packetsOf(frontend: FrontendProgram, destination: string): EvaluatedPacket[] {
    const { family, port, protocol, sourceRanges } = frontend;
    const clients = [
      ['clients outside', sourceRanges?.value[0]?.split(/[/-]/)[0] ?? outsideClients[family][0], 'PREROUTING', false],
      ['the node itself', reachableAddresses(this.#addresses, family)[0], 'OUTPUT', true],
      ['pods', podAddress(this.#facts, this.#cluster, family), 'PREROUTING', true],
    ] as const;
    return clients.flatMap(([client, source, entersAt, isOnNode]): EvaluatedPacket[] =>
      source === undefined
        ? []
        : [{ client, isOnNode, packet: { source, destination, destinationPort: port, protocol, entersAt } }],
    );
  }
}

/**
 * Packets that other nodes have sent on to endpoints on this one, as they come to it: from pods there, and from the nodes
 * themselves, which stand for all whom they masquerade. Of clients and endpoints that no rule distinguishes, one.
 */
function arrivals(
  { frontend, family, protocol }: FrontendProgram,
  onNode: readonly DesiredTarget[],
  facts: NodeFacts,
  { service }: DesiredService,
  cluster: ClusterFacts | undefined,
  segments: AddressSegments,
): EvaluatedPacket[] {
  if ((frontend === 'ClusterIP' ? service.internalTrafficPolicy : service.externalTrafficPolicy) === 'Local') return [];
  const others = (cluster?.nodes ?? []).filter(({ name }) => name !== facts.node);
  const isOwn = (address: string): boolean => familyOf(address) === family;
  const clients = [
    ...others
      .flatMap(({ podCIDRs }) => lastButOne(podCIDRs.find(isOwn)) ?? [])
      .map((source) => ({ client: 'pods of other nodes', source })),
    ...others
      .flatMap(({ internalIPs }) => internalIPs.find(isOwn) ?? [])
      .map((source) => ({ client: 'other nodes', source })),
  ];
  const distinct = oneOfEach(clients, ({ client, source }) => `${client} ${segments.keyOf(source)}`);
  const targets = oneOfEach(onNode, ({ address, port }) => `${segments.keyOf(address)} ${String(port)}`);
  return distinct.flatMap(({ client, source }) =>
    targets.map(({ address, port }): EvaluatedPacket => ({
      client,
      isOnNode: false,
      packet: { source, destination: address, destinationPort: port, protocol, entersAt: 'PREROUTING' },
    })),
  );
}

function oneOfEach<Value>(values: readonly Value[], keyOf: (value: Value) => string): Value[] {
  return [...new Map(values.map((value) => [keyOf(value), value])).values()];
}
