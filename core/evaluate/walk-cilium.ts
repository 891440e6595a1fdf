/**
 * Cilium's datapath: a frontend of its maps takes the packet before netfilter sees it, in the socket of a client on the node, at
 * the pod's own interface, or at the device by which a packet comes from outside (lb4_lookup_service and lb4_local of
 * bpf/lib/lb.h, nodeport_svc_lb4 of bpf/lib/nodeport.h, __sock4_xlate_fwd of bpf/bpf_sock.c).
 */
import {
  affinityMatchKey,
  clientKey,
  type AddressPort,
  type CiliumBackend,
  type CiliumFamilyMaps,
  type CiliumFrontend,
  type CiliumMaps,
} from '../cilium/maps.ts';
import { comparableAddress, hostPort, isSameAddress, prefixContains } from '../net/address.ts';
import { familyOf } from '../net/family.ts';
import type { Action } from './action.ts';
import { settle } from './settle.ts';
import type { Scheduled } from './share.ts';
import type { Leaf, Packet, Step, WalkResult } from './walk.ts';

/** Client: a pod of the node, or the node itself. Outside: a packet that comes to a device of the node. */
type Origin = 'client' | 'outside';

/** @returns undefined where no frontend takes the packet: it goes on to netfilter as if Cilium had not been there */
export function walkCilium(maps: CiliumMaps, packet: Packet, nodeAddresses: readonly string[]): WalkResult | undefined {
  const walk = new CiliumWalk(maps, packet, nodeAddresses);
  const origin = walk.origin();
  if (origin !== undefined) return walk.from(origin);
  const asClient = walk.from('client');
  const fromOutside = walk.from('outside');
  if (asText(asClient) === asText(fromOutside)) return asClient;
  return walk.unknown(
    `whether ${packet.source} is a pod of this node, or sends from outside, which Cilium treats differently: give the map cilium_lxc too, or --in-interface (lxc… for a pod, else the node's device)`,
  );
}

/** What packets of both origins must have in common. */
function asText(result: WalkResult | undefined): string {
  const leaves = result === undefined ? [] : settle(result).leaves;
  return JSON.stringify(
    leaves.map(({ verdict, probability, dnat, masquerade, scheduled }) => [
      verdict,
      probability,
      dnat?.address,
      dnat?.port,
      masquerade,
      scheduled?.by,
    ]),
  );
}

/** Names of the interfaces that Cilium makes for pods. */
const podInterface = /^lxc/;

class CiliumWalk {
  readonly #maps: CiliumMaps;
  readonly #of: CiliumFamilyMaps;
  readonly #packet: Packet;
  readonly #nodeAddresses: readonly string[];
  readonly #mapName: (name: string) => string;
  #steps: Step[] = [];
  readonly #unknown = new Set<string>();

  constructor(maps: CiliumMaps, packet: Packet, nodeAddresses: readonly string[]) {
    const family = familyOf(packet.destination);
    this.#maps = maps;
    this.#of = maps[family];
    this.#packet = packet;
    const hosts = [...(maps.endpoints ?? [])].flatMap(([address, { isHost }]) => (isHost ? [address] : []));
    this.#nodeAddresses = [...nodeAddresses, ...hosts];
    this.#mapName = (name) => `cilium_lb${family === 'IPv4' ? '4' : '6'}_${name}`;
  }

  /** Undefined where it is not known, and a packet of either kind may come to the frontend. */
  origin(): Origin | undefined {
    const { source, entersAt, inInterface } = this.#packet;
    if (entersAt === 'OUTPUT' || this.#isOfNode(source)) return 'client';
    if (inInterface !== undefined) return podInterface.test(inInterface) ? 'client' : 'outside';
    if (this.#maps.endpoints !== undefined)
      return this.#maps.endpoints.has(comparableAddress(source)) ? 'client' : 'outside';
    const frontend = this.#find('External') ?? this.#wildcard();
    // A ClusterIP is for clients of the node alone: who is asked about it is one.
    return frontend !== undefined && !isExternal(frontend) && !frontend.flags.has('routable') ? 'client' : undefined;
  }

  from(origin: Origin): WalkResult | undefined {
    this.#steps = [];
    this.#unknown.clear();
    if (this.#of.services === undefined) return this.unknown(this.#absent('services_v2'));
    return origin === 'client' ? this.#fromClient() : this.#fromOutside();
  }

  unknown(why: string): WalkResult {
    const step: Step = {
      table: this.#mapName('services_v2'),
      chain: this.#place(),
      rule: why,
      actions: [{ kind: 'unknown', why: 'not in the maps' }],
      isUnknown: true,
    };
    this.#unknown.add(why);
    this.#steps.push(step);
    return this.#result([this.#leaf('UNKNOWN', 1)]);
  }

  #fromClient(): WalkResult | undefined {
    const external = this.#find('External');
    const direct = external?.flags.has('two scopes') === true ? this.#find('Internal') : external;
    if (direct !== undefined) return this.#clientOf(direct);
    const surrogate = this.#surrogate();
    if (surrogate === undefined) return undefined;
    const { destination } = this.#packet;
    if (this.#isOfNode(destination)) return this.#clientOf(surrogate);
    // NodePorts of all nodes are taken on the client's own; a HostPort is of this node alone.
    return surrogate.flags.has('NodePort')
      ? this.unknown(
          `whether ${destination} is an address of a node, on which Cilium has ${frontendText(surrogate)}: give --node-ip ${destination} where it is one`,
        )
      : undefined;
  }

  #clientOf(frontend: CiliumFrontend): WalkResult {
    const { flags } = frontend;
    const { destination } = this.#packet;
    if (flags.has('L7 delegate'))
      return this.#unknownAt(frontend, 'the packet is left to a proxy of layer 7, which chooses the backend');
    // sock4_skip_xlate: a Service must not take a foreign address from clients of the node.
    const isSkipped = flags.has('ExternalIP') || (flags.has('HostPort') && !isLoopback(destination));
    if (isSkipped && !isUnspecified(frontend) && !this.#isOfNode(destination))
      return this.#unknownAt(
        frontend,
        `the socket of a client is sent there only where ${destination} is the node's own address (give --node-ip ${destination} where it is); what follows depends on the agent's configuration`,
      );
    return this.#choose(frontend, 'client');
  }

  #fromOutside(): WalkResult | undefined {
    const frontend = this.#find('External');
    if (frontend === undefined) {
      const wildcard = this.#wildcard();
      return wildcard === undefined
        ? undefined
        : this.#drop(wildcard, "DROP: the address is a Service's, and it has no frontend of this port");
    }
    const { flags, id } = frontend;
    if (flags.has('source ranges')) {
      const { sourceRanges } = this.#of;
      if (sourceRanges === undefined) return this.#unknownAt(frontend, this.#absent('source_range'));
      const ranges = sourceRanges.get(id) ?? [];
      const isIn = ranges.some((range) => prefixContains(range, this.#packet.source) === true);
      const isDenied = flags.has('source ranges denied');
      const list = ranges.length === 0 ? 'none' : ranges.join(', ');
      if (isIn === isDenied)
        return this.#drop(
          frontend,
          `DROP: ${this.#packet.source} is ${isIn ? '' : 'not '}in the source ranges ${list}`,
        );
    }
    if (!flags.has('routable')) return this.#drop(frontend, 'DROP: a ClusterIP is not for packets from outside');
    return this.#choose(frontend, 'outside');
  }

  /** The first packet of a connection is sent to one of the slots that get new ones. */
  #choose(frontend: CiliumFrontend, origin: Origin): WalkResult {
    const { flags, count, slots, algorithm, id } = frontend;
    if (flags.has('L7 load balancer') && frontend.proxyPort !== 0)
      return this.#unknownAt(
        frontend,
        `the packet is sent to the proxy of layer 7 on port ${String(frontend.proxyPort)} of the node, which chooses the backend`,
      );
    if (flags.has('NAT46x64')) return this.#unknownAt(frontend, 'the packet gets an address of the other IP family');
    if (count === 0) {
      this.#meet(frontend, [{ kind: 'refuse', reason: 'the frontend has no backend for new connections' }]);
      return this.#result([this.#leaf('REJECT', 1)]);
    }
    const { backends } = this.#of;
    if (backends === undefined) return this.#unknownAt(frontend, this.#absent('backends_v3'));
    if (origin === 'outside' && (algorithm === 'custom' || algorithm === 'first'))
      return this.#unknownAt(frontend, `how the algorithm (${algorithm}) of a changed Cilium chooses`);
    // Sockets of clients choose at random, whatever the algorithm.
    const isMaglev =
      origin === 'outside' &&
      (algorithm === 'Maglev' || (algorithm === 'default' && this.#of.maglev?.has(id) === true));
    const by = this.#byInPlaceOfShares(frontend, origin, isMaglev);
    this.#meet(frontend, [isMaglev ? { kind: 'schedule', scheduler: 'Maglev' } : { kind: 'choice', inTurn: false }]);
    const leaves = Array.from({ length: count }, (_, index) =>
      this.#slot(frontend, origin, slots.get(index + 1), index + 1, by),
    );
    if (origin === 'outside') this.#checkReverseNat(frontend);
    return this.#result(leaves);
  }

  /** What decides where the choice is not one of equal chances. */
  #byInPlaceOfShares(
    { flags, id, count }: CiliumFrontend,
    origin: Origin,
    isMaglev: boolean,
  ): Scheduled['by'] | undefined {
    if (count === 1) return undefined;
    const source = comparableAddress(this.#packet.source);
    const known =
      flags.has('session affinity') && origin === 'outside' ? this.#of.clients?.get(clientKey(id, source)) : undefined;
    if (known !== undefined && this.#maps.affinityMatches?.has(affinityMatchKey(id, known)) !== false) {
      const backend = this.#of.backends?.get(known);
      if (backend !== undefined) {
        this.#unknown.add(
          `whether ${source} still stays with ${hostPort(backend.address, backend.port)}, to which its affinity sent it before: when the affinity ends is not in the maps`,
        );
        return 'Unknown';
      }
    }
    return isMaglev ? 'ClientHash' : undefined;
  }

  #slot(
    frontend: CiliumFrontend,
    origin: Origin,
    backendId: number | undefined,
    slot: number,
    by: Scheduled['by'] | undefined,
  ): Leaf {
    const { count } = frontend;
    const backend = backendId === undefined ? undefined : this.#of.backends?.get(backendId);
    const probability = 1 / count;
    const chain = this.#place();
    if (backendId === undefined || backend === undefined) {
      const [table, rule] =
        backendId === undefined
          ? [this.#mapName('services_v2'), `slot ${String(slot)}: missing`]
          : [this.#mapName('backends_v3'), `backend ${String(backendId)} of slot ${String(slot)}: missing`];
      const refused: Step = {
        table,
        chain,
        rule,
        actions: [{ kind: 'refuse', reason: 'nothing is there to send it to' }],
        chance: probability,
      };
      this.#steps.push(refused);
      return this.#leaf('REJECT', probability, refused);
    }
    const { address } = backend;
    const port = backend.port === 0 ? this.#packet.destinationPort : backend.port;
    const step: Step = {
      table: this.#mapName('backends_v3'),
      chain,
      rule: this.#backendText(frontend, backendId, backend),
      actions: [
        {
          kind: 'dnat',
          destinations: [{ address, port, share: probability, ...(by === undefined ? {} : { chosenBy: by }) }],
        },
      ],
    };
    this.#steps.push(step);
    const isHairpin = origin === 'client' && isSameAddress(address, this.#packet.source);
    if (isHairpin && !this.#isOfNode(address)) {
      this.#unknown.add(
        `whether ${address} reaches itself with its own address (its socket is sent there) or with another one (its packets are)`,
      );
      return this.#leaf('UNKNOWN', probability, step);
    }
    const masqueraded = origin === 'outside' ? this.#isMasqueraded(frontend, address) : false;
    if (masqueraded === undefined) {
      this.#unknown.add(
        `whether ${address} is an endpoint of this node: the packet gets the node's address where it is not; give the map cilium_lxc too`,
      );
      return this.#leaf('UNKNOWN', probability, step);
    }
    const scheduled: Scheduled | undefined =
      by === undefined ? undefined : { by, server: frontend, realServer: backend, choices: count };
    return {
      ...this.#leaf('DNAT', probability, step),
      dnat: { address, port, by: step, ...(scheduled === undefined ? {} : { scheduled }) },
      masquerade: masqueraded,
      ...(masqueraded ? { masqueradedBy: step } : {}),
      ...(scheduled === undefined ? {} : { scheduled }),
    };
  }

  /** Of a packet from outside: nodeport_snat_fwd_ipv4 gives it the node's address, but not where the backend answers by itself. */
  #isMasqueraded({ flags }: CiliumFrontend, address: string): boolean | undefined {
    if (flags.has('DSR')) return false;
    if (this.#maps.endpoints !== undefined) return !this.#maps.endpoints.has(comparableAddress(address));
    if (this.#isOfNode(address)) return false;
    // All backends of its external scope are of this node.
    return flags.has('externalTrafficPolicy Local') ? false : undefined;
  }

  #checkReverseNat({ id, ...frontend }: CiliumFrontend): void {
    const { reverseNat } = this.#of;
    if (reverseNat === undefined) return;
    const row = reverseNat.get(id);
    if (row !== undefined && row.port === frontend.port && isSameAddress(row.address, frontend.address)) return;
    const why = `responses get the address ${row === undefined ? 'of the backend' : hostPort(row.address, row.port)}: the row ${String(id)} of ${this.#mapName('reverse_nat')} is ${row === undefined ? 'missing' : "another frontend's"}`;
    this.#unknown.add(why);
    this.#steps.push({
      table: this.#mapName('reverse_nat'),
      chain: this.#place(),
      rule: why,
      actions: [{ kind: 'unknown', why: 'the client does not get its response' }],
    });
  }

  #backendText({ id, flags }: CiliumFrontend, backendId: number, backend: CiliumBackend): string {
    const keepsNobody =
      flags.has('session affinity') &&
      this.#maps.affinityMatches !== undefined &&
      !this.#maps.affinityMatches.has(affinityMatchKey(id, backendId));
    return [
      `backend ${String(backendId)}: ${hostPort(backend.address, backend.port)}${backend.protocol === undefined ? '' : `/${backend.protocol}`} ${backend.state}`,
      ...(backend.clusterId === 0 ? [] : [`of cluster ${String(backend.clusterId)}`]),
      ...(keepsNobody ? ['no client stays with it, for cilium_lb_affinity_match does not have it'] : []),
    ].join(', ');
  }

  #drop(frontend: CiliumFrontend, word: string): WalkResult {
    this.#meet(frontend, [{ kind: 'drop', word }]);
    return this.#result([this.#leaf('DROP', 1)]);
  }

  #unknownAt(frontend: CiliumFrontend, why: string): WalkResult {
    this.#unknown.add(`${frontendText(frontend)}: ${why}`);
    this.#meet(frontend, [{ kind: 'unknown', why }]);
    return this.#result([this.#leaf('UNKNOWN', 1)]);
  }

  #meet(frontend: CiliumFrontend, actions: readonly Action[]): void {
    this.#steps.push({
      table: this.#mapName('services_v2'),
      chain: this.#place(),
      rule: frontendText(frontend),
      actions,
      ...(actions.some(({ kind }) => kind === 'unknown') ? { isUnknown: true } : {}),
    });
  }

  #leaf(verdict: Leaf['verdict'], probability: number, step?: Step): Leaf {
    const [first] = this.#steps;
    const path = [...(first === undefined ? [] : [first]), ...(step === undefined || step === first ? [] : [step])];
    return { probability, verdict, masquerade: false, decidedBy: this.#place(), path };
  }

  #result(leaves: readonly Leaf[]): WalkResult {
    // Each step is kept, those of a leaf that is not known among them: they are what is known of it.
    const last = leaves.at(-1);
    const kept = last === undefined ? leaves : [...leaves.slice(0, -1), { ...last, path: [...this.#steps] }];
    const steps = [...this.#steps];
    return { leaves: kept, steps, outline: steps, unknown: [...this.#unknown], assumed: [] };
  }

  #place(): string {
    const { destination, destinationPort, protocol } = this.#packet;
    return `${protocol} ${hostPort(destination, destinationPort)}`;
  }

  #absent(name: string): string {
    return `the map ${this.#mapName(name)} was not dumped`;
  }

  #isOfNode(address: string): boolean {
    return isLoopback(address) || this.#nodeAddresses.some((own) => isSameAddress(own, address));
  }

  /** The exact entry of the packet's protocol; else the one for any, as Cilium wrote all before protocols were distinguished. */
  #find(scope: CiliumFrontend['scope'], address = this.#packet.destination): CiliumFrontend | undefined {
    const { destinationPort, protocol } = this.#packet;
    const same = (this.#of.services ?? []).filter(
      (each) => each.scope === scope && each.port === destinationPort && isSameAddress(each.address, address),
    );
    return destinationPort === 0
      ? undefined
      : (same.find((each) => each.protocol === protocol) ?? same.find((each) => each.protocol === undefined));
  }

  #wildcard(): CiliumFrontend | undefined {
    return this.#of.services?.find(
      ({ address, port, protocol }) =>
        port === 0 && protocol === undefined && isSameAddress(address, this.#packet.destination),
    );
  }

  /** The entry of a NodePort or HostPort that stands for all addresses of the node. */
  #surrogate(): CiliumFrontend | undefined {
    const any = this.#packet.destination.includes(':') ? '::' : '0.0.0.0';
    const external = this.#find('External', any);
    const found = external?.flags.has('two scopes') === true ? this.#find('Internal', any) : external;
    if (found === undefined) return undefined;
    const { flags } = found;
    if (flags.has('NodePort')) return found;
    const isForLoopback = flags.has('loopback');
    return flags.has('HostPort') && (!isForLoopback || isLoopback(this.#packet.destination)) ? found : undefined;
  }
}

function isExternal({ flags }: CiliumFrontend): boolean {
  return (['ExternalIP', 'NodePort', 'LoadBalancer', 'HostPort'] as const).some((flag) => flags.has(flag));
}

function isUnspecified({ address }: AddressPort): boolean {
  return address === '0.0.0.0' || address === '::';
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || comparableAddress(address) === '::1';
}

/** `10.96.0.10:53/UDP external id 5: 3 backends, 1 quarantined; LoadBalancer, session affinity 10800 s`. */
function frontendText(frontend: CiliumFrontend): string {
  const { address, port, protocol, scope, id, count, quarantined, algorithm, affinitySeconds, flags } = frontend;
  const words = [...flags].map((flag) => (flag === 'session affinity' ? `${flag} ${String(affinitySeconds)} s` : flag));
  if (!flags.has('routable')) words.unshift('ClusterIP');
  return [
    `${hostPort(address, port)}/${protocol ?? 'ANY'} ${scope === 'External' ? 'external' : 'internal'} id ${String(id)}: ${String(count)} backends${quarantined === 0 ? '' : `, ${String(quarantined)} quarantined`}`,
    ...(algorithm === 'default' ? [] : [algorithm]),
    words.join(', '),
  ].join('; ');
}
