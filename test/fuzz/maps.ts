/**
 * Altered dumps of maps of eBPF, in their text or in the bytes of an entry. Whatever they are: refused in a sentence, or read; and a
 * packet that is walked through them comes to branches that are whole.
 */
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import { parseRulesetFile } from '../../core/ruleset/read-dumps.ts';
import { RulesetError, type Ruleset } from '../../core/ruleset/ruleset.ts';
import { frontendEntry, natAffinityEntry, natBackendEntry, routeEntry } from '../support/calico-bytes.ts';
import {
  affinityEntry,
  affinityMatchEntry,
  backendEntry,
  endpointEntry,
  frontendEntries,
  maglevEntry,
  reverseNatEntry,
  sourceRangeEntry,
} from '../support/cilium-bytes.ts';
import type { DumpedEntry } from '../support/map-bytes.ts';
import type { Dice } from './dice.ts';
import type { FuzzTarget } from './targets.ts';

const address = '10.96.0.10';
const client = '10.244.1.77';

function ciliumMaps(dice: Dice): Record<string, DumpedEntry[]> {
  const [flags, flags2] = [dice.below(256), dice.below(256)];
  return {
    cilium_lb4_services_v2: frontendEntries({ address, port: 80, id: 5, flags, flags2, union: 60 }, [1, 2]),
    cilium_lb4_backends_v3: [1, 2].map((id) =>
      backendEntry({ id, address: `10.244.1.${String(id)}`, port: 8080, state: dice.below(4) }),
    ),
    cilium_lb4_source_range: [sourceRangeEntry(5, '10.0.0.0', dice.below(33))],
    cilium_lb4_reverse_nat: [reverseNatEntry(5, address, 80)],
    cilium_lb4_affinity: [affinityEntry(5, client, 2)],
    cilium_lb_affinity_match: [affinityMatchEntry(5, 2)],
    cilium_lb4_maglev: [maglevEntry(dice.below(10))],
    cilium_lxc: [endpointEntry(dice.of([client, '10.244.1.1']))],
  };
}

function calicoMaps(dice: Dice): Record<string, DumpedEntry[]> {
  const frontend = {
    address,
    port: 80,
    id: 5,
    count: 2,
    local: dice.below(3),
    affinity: dice.below(2),
    flags: dice.below(16),
  };
  return {
    cali_v4_nat_fe3: [
      frontendEntry({ ...frontend, clients: ['10.244.0.0', dice.below(33)] }),
      frontendEntry({ ...frontend, address: '255.255.255.255' }),
    ],
    cali_v4_nat_be: [0, 1].map((ordinal) => natBackendEntry(5, ordinal, `10.244.1.${String(ordinal)}`, 8080)),
    cali_v4_routes: [routeEntry('10.244.0.0', dice.below(33), dice.below(32))],
    cali_v4_nat_aff: [natAffinityEntry(frontend, client, { address: '10.244.1.1', port: 8080 })],
  };
}

/** Some maps less, and some bytes of an entry others. */
function altered(maps: Record<string, DumpedEntry[]>, dice: Dice): Record<string, DumpedEntry[]> {
  return Object.fromEntries(
    Object.entries(maps)
      .filter(() => dice.below(8) > 0)
      .map(([name, entries]) => [
        name,
        entries.map((entry) => (dice.below(4) === 0 ? alteredEntry(entry, dice) : entry)),
      ]),
  );
}

function alteredEntry({ key, value }: DumpedEntry, dice: Dice): DumpedEntry {
  const change = (bytes: readonly string[]): string[] => {
    const at = dice.below(bytes.length);
    const byte = `0x${dice
      .of([0, 1, 2, 255, dice.below(256)])
      .toString(16)
      .padStart(2, '0')}`;
    return bytes.map((each, index) => (index === at ? byte : each));
  };
  return dice.below(2) === 0 ? { key: change(key), value } : { key, value: change(value) };
}

/** A piece of the text cut, doubled or replaced. */
function alteredText(text: string, dice: Dice): string {
  const at = dice.below(text.length + 1);
  const end = Math.min(text.length, at + dice.below(20));
  return (
    text.slice(0, at) + dice.of(['', text.slice(at, end) + text.slice(at, end), '[', '"0x00",', '{}']) + text.slice(end)
  );
}

function read(text: string): Ruleset | undefined {
  try {
    return parseRulesetFile(text);
  } catch (error) {
    if (error instanceof RulesetError) return undefined;
    throw error;
  }
}

export const mapsTarget: FuzzTarget = {
  name: 'maps of eBPF',
  run: (dice) => {
    const maps = altered(dice.below(2) === 0 ? ciliumMaps(dice) : calicoMaps(dice), dice);
    const text = JSON.stringify(maps);
    const ruleset = read(dice.below(3) === 0 ? alteredText(text, dice) : text);
    if (ruleset === undefined) return;
    const { leaves } = walkRuleset(
      ruleset,
      {
        source: dice.of([client, '10.244.1.1', '192.0.2.9']),
        destination: dice.of([address, '172.30.0.12']),
        destinationPort: dice.of([80, 81]),
        protocol: dice.of(['TCP', 'UDP'] as const),
        entersAt: dice.of(['PREROUTING', 'OUTPUT'] as const),
        ...(dice.below(2) === 0 ? {} : { inInterface: dice.of(['eth0', 'lxc1', 'cali1']) }),
      },
      [],
    );
    const whole = leaves.reduce((sum, { probability }) => sum + probability, 0);
    if (Math.abs(whole - 1) > 1e-6) throw new Error(`the branches sum to ${String(whole)}:\n${text}`);
  },
};
