/**
 * Calico's eBPF datapath: a frontend of its maps takes the packet before netfilter sees it, in the socket of a client on the node,
 * at the pod's own interface, or at the device by which a packet comes from outside (calico_nat_lookup of
 * felix/bpf-gpl/nat_lookup.h).
 */
import {
  clientKey,
  type CalicoFamilyMaps,
  type CalicoFrontend,
  type CalicoMaps,
  type CalicoRoute,
} from '../calico/maps.ts';
import { comparableAddress, hostPort, isSameAddress, prefixContains } from '../net/address.ts';
import { familyOf } from '../net/family.ts';
import { MapWalk, type Origin } from './map-walk.ts';
import type { Scheduled } from './share.ts';
import type { Packet, WalkResult } from './walk.ts';

/** @returns undefined where no frontend takes the packet: it goes on to netfilter as if Calico had not been there */
export function walkCalico(maps: CalicoMaps, packet: Packet, nodeAddresses: readonly string[]): WalkResult | undefined {
  return new CalicoWalk(maps, packet, nodeAddresses).run();
}

class CalicoWalk extends MapWalk {
  protected readonly originFrom: { readonly map: string; readonly podInterface: string };
  readonly #of: CalicoFamilyMaps;
  readonly #nodeAddresses: readonly string[];
  readonly #mapName: (name: string) => string;
  /** 0.0.0.0 or ::, which sockets ask for in place of their own. */
  readonly #noAddress: string;
  /** All ones: a NodePort on the addresses of all nodes. */
  readonly #anyNode: string;

  constructor(maps: CalicoMaps, packet: Packet, nodeAddresses: readonly string[]) {
    const family = familyOf(packet.destination);
    const mapName = (name: string): string => `cali_${family === 'IPv4' ? 'v4' : 'v6'}_${name}`;
    super(packet, mapName('nat_fe3'));
    this.#of = maps[family];
    this.#mapName = mapName;
    this.#nodeAddresses = nodeAddresses;
    this.originFrom = { map: mapName('routes'), podInterface: 'cali' };
    this.#noAddress = family === 'IPv4' ? '0.0.0.0' : '::';
    this.#anyNode = family === 'IPv4' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
  }

  protected origin(): Origin | undefined {
    const { source, entersAt } = this.packet;
    if (entersAt === 'OUTPUT') return 'client';
    const byInterface = this.originByInterface();
    if (byInterface !== undefined || this.#of.routes === undefined) return byInterface;
    return this.#routeTo(source)?.isLocal === true ? 'client' : 'outside';
  }

  protected walk(origin: Origin): WalkResult | undefined {
    if (this.#of.frontends === undefined) return this.unknown(`the map ${this.#mapName('nat_fe3')} was not dumped`);
    const { destination, source } = this.packet;
    const own = this.#find(destination, source);
    if (origin === 'outside') return own === undefined ? undefined : this.#take(own, origin);
    if (own !== undefined) {
      const bySocket = this.#find(destination, this.#noAddress);
      return bySocket === own
        ? this.#take(own, origin)
        : this.unknownAt(
            frontendText(own),
            `whether the socket of the client is sent to a backend, which asks for no source, or its packets are: ${bySocket === undefined ? 'the other finds no frontend' : `the other finds ${frontendText(bySocket)}`}`,
          );
    }
    const nodePort = this.#find(this.#anyNode, source);
    if (nodePort === undefined) return undefined;
    const isOfNode = this.#isOfAnyNode(destination);
    if (isOfNode === undefined)
      return this.unknown(
        `whether ${destination} is an address of a node, on which Calico has ${frontendText(nodePort)}: give the map ${this.#mapName('routes')} too, or --node-ip ${destination} where it is one`,
      );
    return isOfNode ? this.#take(nodePort, origin) : undefined;
  }

  #take(frontend: CalicoFrontend, origin: Origin): WalkResult | undefined {
    const { flags, count } = frontend;
    // Its packets are left as they are, to whoever comes behind.
    if (flags.has('excluded')) return undefined;
    const text = frontendText(frontend);
    if (count === 'Drop') return this.drop(text, `DROP: ${this.packet.source} is not in the source ranges`);
    const usable = this.#usable(frontend, count, origin);
    if (usable === undefined)
      return this.unknownAt(
        text,
        `whether ${this.packet.source} is a node or a pod of the cluster, for which another traffic policy holds: give the map ${this.#mapName('routes')} too`,
      );
    if (usable === 0) return this.refuse(text, 'the frontend has no backend for new connections');
    const { backends } = this.#of;
    if (backends === undefined) return this.unknownAt(text, `the map ${this.#mapName('nat_be')} was not dumped`);
    const { id, affinitySeconds } = frontend;
    const { source, destination, destinationPort, protocol } = this.packet;
    const places = [...(backends.get(id) ?? [])]
      .filter(([ordinal]) => ordinal < usable)
      .sort(([one], [other]) => one - other);
    const stays =
      affinitySeconds === 0
        ? undefined
        : this.#of.clients?.get(
            clientKey(comparableAddress(destination), destinationPort, protocol, comparableAddress(source)),
          );
    if (stays !== undefined) {
      const why = `whether ${source} still stays with ${hostPort(stays.address, stays.port)}, to which its affinity sent it before: when the affinity ends is not in the maps`;
      // Calico does not ask whether the backend is one of the frontend's still.
      if (!places.some(([, { address, port }]) => address === stays.address && port === stays.port))
        return this.unknownAt(text, why);
      this.note(why);
    }
    const isByHash = flags.has('Maglev') && origin === 'outside';
    this.meet(text, [isByHash ? { kind: 'schedule', scheduler: 'Maglev' } : { kind: 'choice', inTurn: false }]);
    const by = this.#byInPlaceOfShares(frontend, usable, isByHash, stays !== undefined);
    const table = this.#mapName('nat_be');
    const lacking = usable - places.length;
    return this.result([
      ...places.map(([ordinal, backend]) => {
        const rule = `backend ${String(ordinal)} of id ${String(id)}: ${hostPort(backend.address, backend.port)}${ordinal < frontend.local ? ', of this node' : ''}`;
        const scheduled = by === undefined ? undefined : { by, server: frontend, realServer: backend, choices: usable };
        const masquerade = this.#isMasqueraded(backend.address, origin);
        return this.sent(backend, { table, rule, probability: 1 / usable }, scheduled, masquerade);
      }),
      ...(lacking === 0
        ? []
        : [
            this.missing(
              table,
              `${String(lacking)} of ${String(usable)} backends of id ${String(id)}: missing`,
              lacking / usable,
            ),
          ]),
    ]);
  }

  /** How many backends, the node's own first, may get the packet; undefined where it is not known whose traffic policy holds. */
  #usable({ flags, local }: CalicoFrontend, count: number, origin: Origin): number | undefined {
    const isLocal = (isInternal: boolean): boolean =>
      flags.has(isInternal ? 'internalTrafficPolicy Local' : 'externalTrafficPolicy Local');
    const of = (isInternal: boolean): number => (isLocal(isInternal) ? local : count);
    if (origin === 'client' || of(true) === of(false)) return of(true);
    if (this.#of.routes === undefined) return undefined;
    const route = this.#routeTo(this.packet.source);
    return of(route !== undefined && (route.isHost || route.isWorkload));
  }

  #byInPlaceOfShares(
    { flags }: CalicoFrontend,
    usable: number,
    isByHash: boolean,
    mayStay: boolean,
  ): Scheduled['by'] | undefined {
    if (usable === 1) return undefined;
    if (mayStay) return 'Unknown';
    if (isByHash) return 'ClientHash';
    if (!flags.has('Maglev')) return undefined;
    this.note('whether a client on the node is sent at random or by Maglev, which is for packets from outside');
    return 'Unknown';
  }

  /** Packets from outside keep their source, through the tunnel to another node, too; whether a pod that reaches itself does is not known. */
  #isMasqueraded(address: string, origin: Origin): false | undefined {
    if (origin === 'outside' || !isSameAddress(address, this.packet.source) || this.packet.entersAt === 'OUTPUT')
      return false;
    this.note(
      `whether ${address} reaches itself with its own address (its socket is sent there) or with another one (its packets are)`,
    );
    return undefined;
  }

  /** Of the entries for the address, the one of the longest network that has the client. */
  #find(address: string, client: string): CalicoFrontend | undefined {
    const { destinationPort, protocol } = this.packet;
    return longest(
      (this.#of.frontends ?? []).filter(
        (each) => each.port === destinationPort && each.protocol === protocol && isSameAddress(each.address, address),
      ),
      client,
      ({ clients }) => clients,
    );
  }

  #routeTo(address: string): CalicoRoute | undefined {
    return longest(this.#of.routes ?? [], address, ({ network }) => network);
  }

  #isOfAnyNode(address: string): boolean | undefined {
    if (address.startsWith('127.') || this.#nodeAddresses.some((own) => isSameAddress(own, address))) return true;
    return this.#of.routes === undefined ? undefined : this.#routeTo(address)?.isHost === true;
  }
}

/** The one of the longest prefix that has the address. */
function longest<Each>(all: readonly Each[], address: string, prefixOf: (each: Each) => string): Each | undefined {
  const length = (each: Each): number => Number(prefixOf(each).split('/')[1]);
  return all
    .filter((each) => prefixContains(prefixOf(each), address) === true)
    .reduce<Each | undefined>(
      (best, each) => (best === undefined || length(each) > length(best) ? each : best),
      undefined,
    );
}

/** `10.96.0.10:53/UDP from 0.0.0.0/0 id 5: 3 backends, 1 of this node; affinity 10800 s, internalTrafficPolicy Local`. */
function frontendText(frontend: CalicoFrontend): string {
  const { address, port, protocol, clients, id, count, local, affinitySeconds, flags } = frontend;
  const words = [...(affinitySeconds === 0 ? [] : [`affinity ${String(affinitySeconds)} s`]), ...flags];
  return [
    `${hostPort(address, port)}/${protocol} from ${clients} id ${String(id)}: ${count === 'Drop' ? 'drop' : `${String(count)} backends, ${String(local)} of this node`}`,
    ...(words.length === 0 ? [] : [words.join(', ')]),
  ].join('; ');
}
