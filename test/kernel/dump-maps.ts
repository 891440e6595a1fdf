/** Maps of eBPF in this kernel, pinned in a file system of a mount namespace of their own, and what bpftool dumps of them. */
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import type { Packet } from '../../core/evaluate/walk.ts';
import { summarize, type WalkDestination } from '../../core/program/walk-packet.ts';
import type { Ruleset } from '../../core/ruleset/ruleset.ts';
import type { DumpedEntry } from '../support/map-bytes.ts';
import { inNamespace } from './namespace.ts';

export const mapTools = ['bpftool', 'mount'] as const;

const pins = '/sys/fs/bpf';

/** As bpf/lib/lb.h and felix/bpf-gpl declare them; all others are hash maps. */
const types: ReadonlyMap<string, string> = new Map([
  ['cilium_lb4_source_range', 'lpm_trie'],
  ['cilium_lb4_affinity', 'lru_hash'],
  ['cali_v4_nat_fe3', 'lpm_trie'],
  ['cali_v6_nat_fe3', 'lpm_trie'],
  ['cali_v4_routes', 'lpm_trie'],
  ['cali_v4_nat_aff', 'lru_hash'],
]);

/** Commands of `bpftool batch` that make the map and fill it. */
function commandsOf(name: string, entries: readonly DumpedEntry[]): string[] {
  const [first] = entries;
  const type = types.get(name) ?? 'hash';
  const hex = (bytes: readonly string[]): string => bytes.map((byte) => byte.slice(2)).join(' ');
  return [
    // The kernel keeps 15 characters of a name; the pin has all of it. An LPM trie must have BPF_F_NO_PREALLOC.
    `map create ${pins}/${name} type ${type} key ${String(first?.key.length)} value ${String(first?.value.length)} entries 64 name ${name.slice(0, 15)} flags ${type === 'lpm_trie' ? '1' : '0'}`,
    ...entries.map(({ key, value }) => `map update pinned ${pins}/${name} key hex ${hex(key)} value hex ${hex(value)}`),
  ];
}

/** One object of dumps by name, made as docs/ebpf.md shows. */
export async function dumpMaps(maps: Readonly<Record<string, readonly DumpedEntry[]>>): Promise<string> {
  const commands = Object.entries(maps).flatMap(([name, entries]) => commandsOf(name, entries));
  return inNamespace(
    `mount -t bpf bpf ${pins}
     bpftool batch file - >/dev/null
     separator='{'
     for pin in ${pins}/c*_*; do
       printf '%s"%s":' "$separator" "\${pin##*/}"
       bpftool -j map dump pinned "$pin"
       separator=','
     done
     printf '}'`,
    `${commands.join('\n')}\n`,
  );
}

/** What a packet that comes to the node meets in the maps: the verdict, and each destination as `of` writes it. */
export function answersOf(
  ruleset: Ruleset,
  of: (destination: WalkDestination) => string,
): (source: string, destination: string, destinationPort: number, protocol?: 'TCP' | 'UDP') => string[] {
  return (source, destination, destinationPort, protocol = 'TCP') => {
    const packet: Packet = { source, destination, destinationPort, protocol, entersAt: 'PREROUTING' };
    const { verdict, destinations } = summarize(walkRuleset(ruleset, packet, []));
    return [verdict, ...destinations.map(of)];
  };
}
