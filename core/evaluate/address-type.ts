/** What kind of address the machine takes one for: the question of iptables' addrtype and nftables' `fib … type`. */
import { addressNumber } from '../net/address.ts';
import { oncePer } from '../lib/once-per.ts';
import { isOwnAddress } from './walk-hooks.ts';
import type { Machine } from './walk.ts';

/**
 * Whether the address is of any of the types (LOCAL, UNICAST, BROADCAST, MULTICAST, …).
 *
 * IPv4 has one type for each address, that of its route in the table `local` (net/ipv4/fib_frontend.c
 * __inet_dev_addr_type). Which networks the machine's addresses belong to is not known here, so that an address is
 * perhaps a network's broadcast where it is one of its own with all host bits set. IPv6 asks for the address itself, and
 * for routes only of LOCAL, ANYCAST and UNREACHABLE (net/netfilter/xt_addrtype.c match_type6).
 * @returns undefined where it depends on routes that are not known
 */
export function isOfAddressType(machine: Machine, address: string, types: readonly string[]): boolean | undefined {
  const number = addressNumber(address);
  if (number === undefined) return undefined;
  return number.bits === 32
    ? isOfType4(machine, address, Number(number.value), types)
    : isOfType6(machine, address, number.value, types);
}

function isOfType4(machine: Machine, address: string, value: number, types: readonly string[]): boolean | undefined {
  const possible = typesOf4(machine, address, value);
  let answer: boolean | undefined = false;
  for (const type of types) {
    if (!knownTypes.has(type)) answer = undefined;
    else if (possible.includes(type)) {
      if (possible.length === 1) return true;
      answer = undefined;
    }
  }
  // Both of what it may be were asked for.
  return possible.every((each) => types.includes(each)) ? true : answer;
}

/** Types that a route of the table `local` has; the others (ANYCAST, BLACKHOLE, …) somebody must have put there. */
const knownTypes: ReadonlySet<string> = new Set(['UNSPEC', 'UNICAST', 'LOCAL', 'BROADCAST', 'MULTICAST']);

const broadcast = ['BROADCAST'];
const multicast = ['MULTICAST'];
const local = ['LOCAL'];
const unicast = ['UNICAST'];
const unicastOrBroadcast = ['UNICAST', 'BROADCAST'];

/**
 * The types that the machine may take an address of IPv4 for: always the same list for the same ones.
 * @param value the address as a number
 */
export function typesOf4(machine: Machine, address: string, value: number): readonly string[] {
  if (value === 0 || value === 0xffffffff || value === 0x7fffffff) return broadcast;
  if (value >= 0xe0000000 && value < 0xf0000000) return multicast;
  if (isOwnAddress(machine, address)) return local;
  return possibleBroadcasts(machine.addresses).has(value) ? unicastOrBroadcast : unicast;
}

/** The last address of each network that one of the addresses may be of. */
const possibleBroadcasts = oncePer((addresses: readonly string[]): ReadonlySet<number> => {
  const found = new Set<number>();
  for (const own of addresses) {
    const number = addressNumber(own);
    if (number?.bits !== 32) continue;
    for (let hostBits = 2n; hostBits <= 24n; hostBits += 1n) found.add(Number(number.value | ((1n << hostBits) - 1n)));
  }
  return found;
});

/** Beside its network, what the answers for an address depend on. */
export function addressTypesOf(machine: Machine, address: string): readonly string[] {
  const number = addressNumber(address);
  if (number === undefined) return [];
  if (number.bits === 32) return typesOf4(machine, address, Number(number.value));
  return [
    isOwnAddress(machine, address) ? 'LOCAL' : '',
    number.value >> 120n === 0xffn ? 'MULTICAST' : '',
    number.value === 0n ? 'UNSPEC' : '',
  ];
}

function isOfType6(machine: Machine, address: string, value: bigint, types: readonly string[]): boolean | undefined {
  const isMulticast = value >> 120n === 0xffn;
  if (types.includes('MULTICAST') && !isMulticast) return false;
  if (types.includes('UNICAST') && (isMulticast || value === 0n)) return false;
  if (types.includes('UNSPEC') && value !== 0n) return false;
  if (types.some((type) => !['MULTICAST', 'UNICAST', 'UNSPEC', 'LOCAL', 'ANYCAST', 'UNREACHABLE'].includes(type)))
    return undefined;
  if (types.includes('LOCAL') && isOwnAddress(machine, address)) return true;
  if (types.includes('ANYCAST') || types.includes('UNREACHABLE')) return undefined;
  return !types.includes('LOCAL');
}
