/**
 * Cilium's maps from their bytes. Layouts are those of `struct lb4_key` and the others in bpf/lib/lb.h, common.h and eps.h, which
 * pkg/loadbalancer/maps/types.go writes: addresses, ports and a frontend's id in network order, all other numbers in the host's.
 */
import { entriesOf, type BpfEntry } from '../bpf/entries.ts';
import { addressAt, byteAt, hostInt, hostShort, networkShort } from '../bpf/fields.ts';
import type { MapDumps } from '../bpf/map-dump.ts';
import type { Family, Protocol } from '../net/family.ts';
import { serviceProtocol } from '../net/ip-protocol.ts';
import {
  affinityMatchKey,
  clientKey,
  type AddressPort,
  type CiliumBackend,
  type CiliumBackendState,
  type CiliumEndpoint,
  type CiliumFamilyMaps,
  type CiliumFlag,
  type CiliumFrontend,
  type CiliumMaps,
} from './maps.ts';

/** The maps that are read, of either family; a pin of another name is not read. */
const digits = { IPv4: '4', IPv6: '6' } as const;
const affinityMatchName = 'cilium_lb_affinity_match';
const endpointsName = 'cilium_lxc';
const familyMapNames = (family: Family): readonly string[] =>
  ['services_v2', 'backends_v3', 'backends_v2', 'source_range', 'reverse_nat', 'maglev', 'affinity'].map((name) =>
    mapName(family, name),
  );
const readNames: ReadonlySet<string> = new Set([
  ...familyMapNames('IPv4'),
  ...familyMapNames('IPv6'),
  affinityMatchName,
  endpointsName,
]);

/** Of a map whose name begins so, and that is Cilium's therefore. */
const isCiliumMap = (name: string): boolean => name.startsWith('cilium_');

/**
 * @returns undefined where the dumps have no map of Cilium; `unread` are maps of Cilium's that say nothing of Services
 * @throws MapDumpError where an entry has another layout than any version of Cilium that is read
 */
export function decodeCiliumMaps(
  dumps: MapDumps,
): { readonly maps: CiliumMaps; readonly unread: readonly string[] } | undefined {
  const names = [...dumps.keys()].filter(isCiliumMap);
  if (names.length === 0) return undefined;
  const affinity = entriesOf(dumps, affinityMatchName, { key: 8, value: 1 });
  const endpoints = entriesOf(dumps, endpointsName, { key: 20, value: 48 });
  return {
    maps: {
      names: names.filter((name) => readNames.has(name)),
      IPv4: decodeFamily(dumps, 'IPv4'),
      IPv6: decodeFamily(dumps, 'IPv6'),
      ...(affinity === undefined
        ? {}
        : {
            affinityMatches: new Set(
              affinity.map(({ key }) => affinityMatchKey(networkShort(key, 4), hostInt(key, 0))),
            ),
          }),
      ...(endpoints === undefined ? {} : { endpoints: new Map(endpoints.map(decodeEndpoint)) }),
    },
    unread: names.filter((name) => !readNames.has(name)),
  };
}

function mapName(family: Family, name: string): string {
  return `cilium_lb${digits[family]}_${name}`;
}

function decodeFamily(dumps: MapDumps, family: Family): CiliumFamilyMaps {
  const length = family === 'IPv4' ? 4 : 16;
  const of = (name: string, layout: { key: number; value: number }): readonly BpfEntry[] | undefined =>
    entriesOf(dumps, mapName(family, name), layout);
  const services = of('services_v2', { key: length + 8, value: 12 });
  // The agent leaves the map of an older version where it is until nothing uses it: the newer one is in use.
  const backends = of('backends_v3', { key: 4, value: length + 8 }) ?? of('backends_v2', { key: 4, value: length + 4 });
  const sourceRanges = of('source_range', { key: length + 8, value: 1 });
  const reverseNat = of('reverse_nat', { key: 2, value: length + 2 });
  const maglev = of('maglev', { key: 2, value: 4 });
  const clients = of('affinity', { key: family === 'IPv4' ? 16 : 24, value: 16 });
  return {
    ...(services === undefined ? {} : { services: decodeServices(services, length) }),
    ...(backends === undefined
      ? {}
      : { backends: new Map(backends.map((entry) => [hostInt(entry.key, 0), decodeBackend(entry, length)])) }),
    ...(sourceRanges === undefined ? {} : { sourceRanges: decodeSourceRanges(sourceRanges, length) }),
    ...(reverseNat === undefined
      ? {}
      : { reverseNat: new Map(reverseNat.map(({ key, value }) => [networkShort(key, 0), placeAt(value, 0, length)])) }),
    ...(maglev === undefined ? {} : { maglev: new Set(maglev.map(({ key }) => networkShort(key, 0))) }),
    ...(clients === undefined ? {} : { clients: decodeClients(clients, length) }),
  };
}

function placeAt(bytes: Uint8Array, at: number, length: 4 | 16): AddressPort {
  return { address: addressAt(bytes, at, length), port: networkShort(bytes, at + length) };
}

/** @returns undefined for 0, which stands for any */
function protocolAt({ refuse }: BpfEntry, bytes: Uint8Array, at: number): Protocol | undefined {
  const number = byteAt(bytes, at);
  if (number === 0) return undefined;
  return serviceProtocol(number) ?? refuse(`its protocol is ${String(number)}, which no Service has`);
}

/** Bits of flags, and above them those of flags2. */
const flagBits: readonly (readonly [bit: number, flag: CiliumFlag])[] = [
  [1 << 0, 'ExternalIP'],
  [1 << 1, 'NodePort'],
  [1 << 2, 'externalTrafficPolicy Local'],
  [1 << 3, 'HostPort'],
  [1 << 4, 'session affinity'],
  [1 << 5, 'LoadBalancer'],
  [1 << 6, 'routable'],
  [1 << 7, 'source ranges'],
  [1 << 8, 'local redirect'],
  [1 << 9, 'NAT46x64'],
  [1 << 10, 'L7 load balancer'],
  [1 << 12, 'internalTrafficPolicy Local'],
  [1 << 13, 'two scopes'],
  [1 << 14, 'source ranges denied'],
  [1 << 15, 'DSR'],
];
/** One bit with two meanings: of a HostPort that its address is loopback's. */
const loopbackOrDelegate = 1 << 11;

function decodeFlags(value: Uint8Array): ReadonlySet<CiliumFlag> {
  const bits = byteAt(value, 8) | (byteAt(value, 9) << 8);
  const flags = new Set(flagBits.flatMap(([bit, flag]) => ((bits & bit) === 0 ? [] : [flag])));
  if ((bits & loopbackOrDelegate) !== 0) flags.add(flags.has('HostPort') ? 'loopback' : 'L7 delegate');
  return flags;
}

/** LB_SELECTION_* of bpf/include/bpf/lb_selection.h. */
const algorithms: ReadonlyMap<number, CiliumFrontend['algorithm']> = new Map([
  [0, 'default'],
  [1, 'random'],
  [2, 'Maglev'],
  [3, 'first'],
]);
const customAlgorithm = 0x80;

function decodeServices(entries: readonly BpfEntry[], length: 4 | 16): CiliumFrontend[] {
  const keyOf = ({ key }: BpfEntry): string => [...key.subarray(0, length + 2), ...key.subarray(length + 4)].join(' ');
  const bySlot = Map.groupBy(entries, (entry) => slotOf(entry, length));
  const masters = bySlot.get(0) ?? [];
  const slots = Map.groupBy(
    entries.filter((entry) => slotOf(entry, length) > 0),
    keyOf,
  );
  return masters.map((entry): CiliumFrontend => {
    const { key, value, refuse } = entry;
    const scope = byteAt(key, length + 5);
    if (scope > 1) refuse(`its scope is ${String(scope)}, where Cilium has 0 and 1`);
    if (hostShort(key, length + 6) !== 0) refuse('the last two bytes of its key are not 0');
    const protocol = protocolAt(entry, key, length + 4);
    const flags = decodeFlags(value);
    const union = hostInt(value, 0);
    const isProxied = flags.has('L7 load balancer');
    const algorithm = isProxied ? 0 : byteAt(value, 3);
    return {
      ...placeAt(key, 0, length),
      ...(protocol === undefined ? {} : { protocol }),
      scope: scope === 0 ? 'External' : 'Internal',
      id: networkShort(value, 6),
      count: hostShort(value, 4),
      quarantined: hostShort(value, 10),
      algorithm: (algorithm & customAlgorithm) === 0 ? (algorithms.get(algorithm) ?? 'default') : 'custom',
      affinitySeconds: isProxied ? 0 : union % 0x100_0000,
      // Network order in the lower half of a number in the host's.
      ...(isProxied ? { proxyPort: networkShort(value, 0) } : {}),
      flags,
      slots: new Map((slots.get(keyOf(entry)) ?? []).map((slot) => [slotOf(slot, length), hostInt(slot.value, 0)])),
    };
  });
}

function slotOf({ key }: BpfEntry, length: 4 | 16): number {
  return hostShort(key, length + 2);
}

/** BE_STATE_* of bpf/lib/lb.h. */
const states: readonly CiliumBackendState[] = ['active', 'terminating', 'quarantined', 'maintenance'];

function decodeBackend(entry: BpfEntry, length: 4 | 16): CiliumBackend {
  const { value, refuse } = entry;
  const flags = byteAt(value, length + 3);
  const protocol = protocolAt(entry, value, length + 2);
  return {
    ...placeAt(value, 0, length),
    ...(protocol === undefined ? {} : { protocol }),
    state: states[flags] ?? refuse(`its state is ${String(flags)}, where Cilium has 0 to 3`),
    clusterId: value.length === length + 4 ? 0 : hostShort(value, length + 4),
  };
}

/** The id and two bytes of padding are a part of the prefix. */
const staticPrefix = 32;

function decodeSourceRanges(entries: readonly BpfEntry[], length: 4 | 16): Map<number, string[]> {
  const ranges = new Map<number, string[]>();
  for (const { key, refuse } of entries) {
    const prefixLength = hostInt(key, 0) - staticPrefix;
    if (prefixLength < 0 || prefixLength > length * 8)
      refuse(`the length of its prefix is ${String(prefixLength)}, where an address has ${String(length * 8)} bits`);
    const id = networkShort(key, 4);
    const own = ranges.get(id) ?? [];
    ranges.set(id, own);
    own.push(`${addressAt(key, 8, length)}/${String(prefixLength)}`);
  }
  return ranges;
}

/** Of clients from outside, whose affinity goes by their address; a socket's goes by a cookie of its network namespace. */
function decodeClients(entries: readonly BpfEntry[], length: 4 | 16): Map<string, number> {
  const idAt = length === 4 ? 8 : 16;
  return new Map(
    entries.flatMap(({ key, value }): [string, number][] =>
      (byteAt(key, idAt + 2) & 1) === 1
        ? []
        : [[clientKey(networkShort(key, idAt), addressAt(key, 0, length)), hostInt(value, 8)]],
    ),
  );
}

/** ENDPOINT_KEY_* of bpf/lib/eps.h. */
const keyFamilies: ReadonlyMap<number, 4 | 16> = new Map([
  [1, 4],
  [2, 16],
]);
const endpointIsHost = 1;

function decodeEndpoint({ key, value, refuse }: BpfEntry): [address: string, endpoint: CiliumEndpoint] {
  const family = byteAt(key, 16);
  const length =
    keyFamilies.get(family) ?? refuse(`the family of its key is ${String(family)}, where Cilium has 1 and 2`);
  return [addressAt(key, 0, length), { isHost: (hostInt(value, 8) & endpointIsHost) !== 0 }];
}
