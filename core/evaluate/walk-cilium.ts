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
import { MapWalk, type Origin } from './map-walk.ts';
import type { Scheduled } from './share.ts';
import type { Leaf, Packet, WalkResult } from './walk.ts';

/** @returns undefined where no frontend takes the packet: it goes on to netfilter as if Cilium had not been there */
export function walkCilium(maps: CiliumMaps, packet: Packet, nodeAddresses: readonly string[]): WalkResult | undefined {
  return new CiliumWalk(maps, packet, nodeAddresses).run();
}

class CiliumWalk extends MapWalk {
  /** Interfaces that Cilium makes for pods are named lxc and a number. */
  protected readonly originFrom = { map: 'cilium_lxc', podInterface: 'lxc' };
  readonly #maps: CiliumMaps;
  readonly #of: CiliumFamilyMaps;
  readonly #nodeAddresses: readonly string[];
  readonly #mapName: (name: string) => string;

  constructor(maps: CiliumMaps, packet: Packet, nodeAddresses: readonly string[]) {
    const family = familyOf(packet.destination);
    const mapName = (name: string): string => `cilium_lb${family === 'IPv4' ? '4' : '6'}_${name}`;
    super(packet, mapName('services_v2'));
    this.#maps = maps;
    this.#of = maps[family];
    this.#mapName = mapName;
    const hosts = [...(maps.endpoints ?? [])].flatMap(([address, { isHost }]) => (isHost ? [address] : []));
    this.#nodeAddresses = [...nodeAddresses, ...hosts];
  }

  protected origin(): Origin | undefined {
    const { source, entersAt } = this.packet;
    if (entersAt === 'OUTPUT' || this.#isOfNode(source)) return 'client';
    const byInterface = this.originByInterface();
    if (byInterface !== undefined) return byInterface;
    if (this.#maps.endpoints !== undefined)
      return this.#maps.endpoints.has(comparableAddress(source)) ? 'client' : 'outside';
    const frontend = this.#find('External') ?? this.#wildcard();
    // A ClusterIP is for clients of the node alone: who is asked about it is one.
    return frontend !== undefined && !isExternal(frontend) && !frontend.flags.has('routable') ? 'client' : undefined;
  }

  protected walk(origin: Origin): WalkResult | undefined {
    if (this.#of.services === undefined) return this.unknown(this.#absent('services_v2'));
    return origin === 'client' ? this.#fromClient() : this.#fromOutside();
  }

  #fromClient(): WalkResult | undefined {
    const external = this.#find('External');
    const direct = external?.flags.has('two scopes') === true ? this.#find('Internal') : external;
    if (direct !== undefined) return this.#clientOf(direct);
    const surrogate = this.#surrogate();
    if (surrogate === undefined) return undefined;
    const { destination } = this.packet;
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
    const { destination } = this.packet;
    if (flags.has('L7 delegate'))
      return this.unknownAt(
        frontendText(frontend),
        'the packet is left to a proxy of layer 7, which chooses the backend',
      );
    // sock4_skip_xlate: a Service must not take a foreign address from clients of the node.
    const isSkipped = flags.has('ExternalIP') || (flags.has('HostPort') && !isLoopback(destination));
    if (isSkipped && !isUnspecified(frontend) && !this.#isOfNode(destination))
      return this.unknownAt(
        frontendText(frontend),
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
        : this.drop(frontendText(wildcard), "DROP: the address is a Service's, and it has no frontend of this port");
    }
    const { flags, id } = frontend;
    if (flags.has('source ranges')) {
      const { sourceRanges } = this.#of;
      if (sourceRanges === undefined) return this.unknownAt(frontendText(frontend), this.#absent('source_range'));
      const ranges = sourceRanges.get(id) ?? [];
      const isIn = ranges.some((range) => prefixContains(range, this.packet.source) === true);
      const isDenied = flags.has('source ranges denied');
      const list = ranges.length === 0 ? 'none' : ranges.join(', ');
      if (isIn === isDenied)
        return this.drop(
          frontendText(frontend),
          `DROP: ${this.packet.source} is ${isIn ? '' : 'not '}in the source ranges ${list}`,
        );
    }
    if (!flags.has('routable'))
      return this.drop(frontendText(frontend), 'DROP: a ClusterIP is not for packets from outside');
    return this.#choose(frontend, 'outside');
  }

  /** The first packet of a connection is sent to one of the slots that get new ones. */
  #choose(frontend: CiliumFrontend, origin: Origin): WalkResult {
    const { flags, count, slots, algorithm, id } = frontend;
    if (flags.has('L7 load balancer') && frontend.proxyPort !== 0)
      return this.unknownAt(
        frontendText(frontend),
        `the packet is sent to the proxy of layer 7 on port ${String(frontend.proxyPort)} of the node, which chooses the backend`,
      );
    if (flags.has('NAT46x64'))
      return this.unknownAt(frontendText(frontend), 'the packet gets an address of the other IP family');
    if (count === 0) return this.refuse(frontendText(frontend), 'the frontend has no backend for new connections');
    const { backends } = this.#of;
    if (backends === undefined) return this.unknownAt(frontendText(frontend), this.#absent('backends_v3'));
    if (origin === 'outside' && (algorithm === 'custom' || algorithm === 'first'))
      return this.unknownAt(frontendText(frontend), `how the algorithm (${algorithm}) of a changed Cilium chooses`);
    // Sockets of clients choose at random, whatever the algorithm.
    const isMaglev =
      origin === 'outside' &&
      (algorithm === 'Maglev' || (algorithm === 'default' && this.#of.maglev?.has(id) === true));
    const by = this.#byInPlaceOfShares(frontend, origin, isMaglev);
    this.meet(frontendText(frontend), [
      isMaglev ? { kind: 'schedule', scheduler: 'Maglev' } : { kind: 'choice', inTurn: false },
    ]);
    const usable = [...slots].filter(([slot]) => slot <= count).sort(([one], [other]) => one - other);
    const leaves = usable.map(([slot, backendId]) => this.#slot(frontend, origin, backendId, slot, by));
    const lacking = count - usable.length;
    if (lacking > 0)
      leaves.push(
        this.missing(
          this.#mapName('services_v2'),
          `${String(lacking)} of ${String(count)} slots: missing`,
          lacking / count,
        ),
      );
    if (origin === 'outside') this.#checkReverseNat(frontend);
    return this.result(leaves);
  }

  /** What decides where the choice is not one of equal chances. */
  #byInPlaceOfShares(
    { flags, id, count }: CiliumFrontend,
    origin: Origin,
    isMaglev: boolean,
  ): Scheduled['by'] | undefined {
    if (count === 1) return undefined;
    const source = comparableAddress(this.packet.source);
    const known =
      flags.has('session affinity') && origin === 'outside' ? this.#of.clients?.get(clientKey(id, source)) : undefined;
    if (known !== undefined && this.#maps.affinityMatches?.has(affinityMatchKey(id, known)) !== false) {
      const backend = this.#of.backends?.get(known);
      if (backend !== undefined) {
        this.note(
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
    backendId: number,
    slot: number,
    by: Scheduled['by'] | undefined,
  ): Leaf {
    const probability = 1 / frontend.count;
    const table = this.#mapName('backends_v3');
    const backend = this.#of.backends?.get(backendId);
    if (backend === undefined)
      return this.missing(table, `backend ${String(backendId)} of slot ${String(slot)}: missing`, probability);
    const rule = this.#backendText(frontend, backendId, backend);
    const scheduled =
      by === undefined ? undefined : { by, server: frontend, realServer: backend, choices: frontend.count };
    const masquerade = origin === 'client' ? this.#asClient(backend) : this.#asOutside(frontend, backend);
    return this.sent(backend, { table, rule, probability }, scheduled, masquerade);
  }

  /** A client keeps its address; whether a pod that reaches itself does is not known. */
  #asClient({ address }: CiliumBackend): false | undefined {
    if (!isSameAddress(address, this.packet.source) || this.#isOfNode(address)) return false;
    this.note(
      `whether ${address} reaches itself with its own address (its socket is sent there) or with another one (its packets are)`,
    );
    return undefined;
  }

  /** nodeport_snat_fwd_ipv4 gives a packet from outside the node's address, but not where the backend answers by itself. */
  #asOutside({ flags }: CiliumFrontend, { address }: CiliumBackend): boolean | undefined {
    if (flags.has('DSR')) return false;
    if (this.#maps.endpoints !== undefined) return !this.#maps.endpoints.has(comparableAddress(address));
    // All backends of the external scope of a Local policy are of this node.
    if (this.#isOfNode(address) || flags.has('externalTrafficPolicy Local')) return false;
    this.note(
      `whether ${address} is an endpoint of this node: the packet gets the node's address where it is not; give the map cilium_lxc too`,
    );
    return undefined;
  }

  #checkReverseNat({ id, ...frontend }: CiliumFrontend): void {
    const { reverseNat } = this.#of;
    if (reverseNat === undefined) return;
    const row = reverseNat.get(id);
    if (row !== undefined && row.port === frontend.port && isSameAddress(row.address, frontend.address)) return;
    const why = `responses get the address ${row === undefined ? 'of the backend' : hostPort(row.address, row.port)}: the row ${String(id)} of ${this.#mapName('reverse_nat')} is ${row === undefined ? 'missing' : "another frontend's"}`;
    this.note(why);
    this.meet(why, [{ kind: 'unknown', why: 'the client does not get its response' }], this.#mapName('reverse_nat'));
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

  #absent(name: string): string {
    return `the map ${this.#mapName(name)} was not dumped`;
  }

  #isOfNode(address: string): boolean {
    return isLoopback(address) || this.#nodeAddresses.some((own) => isSameAddress(own, address));
  }

  /** The exact entry of the packet's protocol; else the one for any, as Cilium wrote all before protocols were distinguished. */
  #find(scope: CiliumFrontend['scope'], address = this.packet.destination): CiliumFrontend | undefined {
    const { destinationPort, protocol } = this.packet;
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
        port === 0 && protocol === undefined && isSameAddress(address, this.packet.destination),
    );
  }

  /** The entry of a NodePort or HostPort that stands for all addresses of the node. */
  #surrogate(): CiliumFrontend | undefined {
    const any = this.packet.destination.includes(':') ? '::' : '0.0.0.0';
    const external = this.#find('External', any);
    const found = external?.flags.has('two scopes') === true ? this.#find('Internal', any) : external;
    if (found === undefined) return undefined;
    const { flags } = found;
    if (flags.has('NodePort')) return found;
    const isForLoopback = flags.has('loopback');
    return flags.has('HostPort') && (!isForLoopback || isLoopback(this.packet.destination)) ? found : undefined;
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
