/**
 * Calico's maps from their bytes. Layouts are those of `struct calico_nat_key` and the others in felix/bpf-gpl/nat_types.h and
 * routes.h, which felix/bpf/nat/maps.go and maps6.go write: addresses in network order, ports and all other numbers in the host's.
 */
import { entriesOf, type BpfEntry } from '../bpf/entries.ts';
import { addressAt, byteAt, hostInt, hostShort } from '../bpf/fields.ts';
import type { MapDumps } from '../bpf/map-dump.ts';
import type { Family, Protocol } from '../net/family.ts';
import { serviceProtocol } from '../net/ip-protocol.ts';
import {
  clientKey,
  type CalicoBackend,
  type CalicoFamilyMaps,
  type CalicoFlag,
  type CalicoFrontend,
  type CalicoMaps,
  type CalicoRoute,
} from './maps.ts';

const lengths = { IPv4: 4, IPv6: 16 } as const;
const families = ['IPv4', 'IPv6'] as const;
const mapName = (family: Family, name: string): string => `cali_${family === 'IPv4' ? 'v4' : 'v6'}_${name}`;
const readNames: ReadonlySet<string> = new Set(
  families.flatMap((family) => ['nat_fe3', 'nat_be', 'nat_aff', 'routes'].map((name) => mapName(family, name))),
);

/**
 * @returns undefined where the dumps have no map of Calico; `unread` are maps of Calico's that say nothing of Services
 * @throws MapDumpError where an entry has another layout than any version of Calico that is read
 */
export function decodeCalicoMaps(
  dumps: MapDumps,
): { readonly maps: CalicoMaps; readonly unread: readonly string[] } | undefined {
  const names = [...dumps.keys()].filter((name) => name.startsWith('cali_'));
  if (names.length === 0) return undefined;
  return {
    maps: {
      names: names.filter((name) => readNames.has(name)),
      IPv4: decodeFamily(dumps, 'IPv4'),
      IPv6: decodeFamily(dumps, 'IPv6'),
    },
    unread: names.filter((name) => !readNames.has(name)),
  };
}

function decodeFamily(dumps: MapDumps, family: Family): CalicoFamilyMaps {
  const length = lengths[family];
  const of = (name: string, key: number, value: number): readonly BpfEntry[] | undefined =>
    entriesOf(dumps, mapName(family, name), { key, value });
  const frontends = of('nat_fe3', 8 + 2 * length, 20);
  const backends = of('nat_be', 8, length + 4);
  const routes = of('routes', 4 + length, 4 + length);
  // Of IPv6, the time is aligned to 8 bytes.
  const clients = of('nat_aff', 2 * length + 8, length + 4 + 8 + (family === 'IPv6' ? 4 : 0));
  return {
    ...(frontends === undefined ? {} : { frontends: frontends.map((entry) => decodeFrontend(entry, length)) }),
    ...(backends === undefined ? {} : { backends: decodeBackends(backends, length) }),
    ...(routes === undefined ? {} : { routes: routes.map((entry) => decodeRoute(entry, length)) }),
    ...(clients === undefined ? {} : { clients: new Map(clients.map((entry) => decodeClient(entry, length))) }),
  };
}

function protocolAt({ key, refuse }: BpfEntry, at: number): Protocol {
  const number = byteAt(key, at);
  return serviceProtocol(number) ?? refuse(`its protocol is ${String(number)}, which no Service has`);
}

/** Bits of a prefix before those of the network. */
function prefixAt({ key, refuse }: BpfEntry, before: number, length: 4 | 16): number {
  const prefix = hostInt(key, 0) - before;
  return prefix < 0 || prefix > length * 8
    ? refuse(`the length of its prefix is ${String(prefix)}, where an address has ${String(length * 8)} bits`)
    : prefix;
}

const flagBits: readonly (readonly [bit: number, flag: CalicoFlag])[] = [
  [1 << 0, 'externalTrafficPolicy Local'],
  [1 << 1, 'internalTrafficPolicy Local'],
  [1 << 2, 'excluded'],
  [1 << 3, 'Maglev'],
];
/** NAT_FE_DROP_COUNT: of clients that the source ranges do not have. */
const dropCount = 0xffff_ffff;

function decodeFrontend(entry: BpfEntry, length: 4 | 16): CalicoFrontend {
  const { key, value, refuse } = entry;
  const flags = hostInt(value, 16);
  if (flags > 0xf) refuse(`its flags are ${String(flags)}, where Calico has 0 to 15`);
  const count = hostInt(value, 4);
  // The destination, its port and its protocol are a part of the prefix.
  const prefix = prefixAt(entry, (length + 3) * 8, length);
  return {
    address: addressAt(key, 4, length),
    port: hostShort(key, length + 4),
    protocol: protocolAt(entry, length + 6),
    clients: `${addressAt(key, length + 7, length)}/${String(prefix)}`,
    id: hostInt(value, 0),
    count: count === dropCount ? 'Drop' : count,
    local: hostInt(value, 8),
    affinitySeconds: hostInt(value, 12),
    flags: new Set(flagBits.flatMap(([bit, flag]) => ((flags & bit) === 0 ? [] : [flag]))),
  };
}

function decodeBackends(entries: readonly BpfEntry[], length: 4 | 16): Map<number, Map<number, CalicoBackend>> {
  const backends = new Map<number, Map<number, CalicoBackend>>();
  for (const { key, value } of entries) {
    const id = hostInt(key, 0);
    const own = backends.get(id) ?? new Map<number, CalicoBackend>();
    backends.set(id, own);
    own.set(hostInt(key, 4), backendAt(value, length));
  }
  return backends;
}

function backendAt(bytes: Uint8Array, length: 4 | 16): CalicoBackend {
  return { address: addressAt(bytes, 0, length), port: hostShort(bytes, length) };
}

/** CALI_RT_*. */
const routeFlag = { workload: 1 << 2, local: 1 << 3, host: 1 << 4 } as const;

function decodeRoute(entry: BpfEntry, length: 4 | 16): CalicoRoute {
  const flags = hostInt(entry.value, 0);
  return {
    network: `${addressAt(entry.key, 4, length)}/${String(prefixAt(entry, 0, length))}`,
    isLocal: (flags & routeFlag.local) !== 0,
    isHost: (flags & routeFlag.host) !== 0,
    isWorkload: (flags & routeFlag.workload) !== 0,
  };
}

function decodeClient(entry: BpfEntry, length: 4 | 16): [string, CalicoBackend] {
  const { key, value } = entry;
  return [
    clientKey(
      addressAt(key, 0, length),
      hostShort(key, length),
      protocolAt(entry, length + 2),
      addressAt(key, length + 4, length),
    ),
    backendAt(value, length),
  ];
}
