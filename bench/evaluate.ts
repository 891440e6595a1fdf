/**
 * `npm run bench:evaluate -- 100 1000 10000 30000`: what one packet costs to walk through the nat table of so many
 * Services with four endpoints each, against a walk that asks every rule, in the same run; and through the table that
 * kube-proxy writes into nftables for them, where root and nft are there to list it. Prints medians and their ratio; the
 * first packet, which makes the indexes, is printed apart.
 */
import { spawnSync } from 'node:child_process';
import { everyRule, type SelectRules } from '../core/evaluate/iptables-index.ts';
import { walkRuleset } from '../core/evaluate/walk-ruleset.ts';
import { IptablesWalk } from '../core/evaluate/walk-iptables.ts';
import { Trail, type Packet } from '../core/evaluate/walk.ts';
import { parseIptablesSave } from '../core/iptables/parse-save.ts';
import { NftTextParser } from '../core/nftables/parse-text.ts';
import { kernelUnavailable } from '../test/kernel/namespace.ts';
import { generatedService, iptablesRuleset, nftablesRuleset, nodeAddress } from './ruleset.ts';

const sizes = process.argv
  .slice(2)
  .filter((word) => /^\d+$/.test(word))
  .map(Number);
const withoutNft = kernelUnavailable(['nft']);
const machine = { addresses: [nodeAddress], ipSets: new Map() };

process.stdout.write('mode       Services   first (ms)   packet (ms)   every rule asked (ms)   every / packet\n');
for (const services of sizes.length === 0 ? [100, 1000] : sizes) {
  const tables = parseIptablesSave([...iptablesRuleset({ services, endpoints: 4 })].join('')).result[0]?.tables;
  const lookup = (table: string, chain: string): ReturnType<ConstructorParameters<typeof IptablesWalk>[0]> =>
    tables?.get(table)?.get(chain)?.rules;
  const walk = (number: number, selectRules?: SelectRules): number => {
    const packet: Packet = {
      source: '10.244.0.9',
      destination: generatedService(number, 4).clusterIP,
      destinationPort: 80,
      protocol: 'TCP',
      entersAt: 'PREROUTING',
    };
    const started = process.hrtime.bigint();
    const { ended } = new IptablesWalk(
      lookup,
      packet,
      machine,
      new Trail(),
      selectRules === undefined ? {} : { selectRules },
    ).chain('nat', 'PREROUTING', [{ probability: 1, mark: 0 }], {
      hook: 'prerouting',
      inInterface: undefined,
      outInterface: '',
    });
    const taken = Number(process.hrtime.bigint() - started) / 1e6;
    if (ended.length !== 4) throw new Error(`the packet has ${String(ended.length)} destinations`);
    return taken;
  };
  const median = (rounds: number, selectRules?: SelectRules): number =>
    Array.from({ length: rounds }, (_, round) => walk((round * 7919) % services, selectRules)).sort(
      (one, other) => one - other,
    )[Math.floor(rounds / 2)] ?? NaN;
  const first = walk(0);
  const indexed = median(501);
  const every = median(11, everyRule);
  process.stdout.write(
    `iptables   ${String(services).padStart(8)}${first.toFixed(2).padStart(13)}${indexed.toFixed(4).padStart(14)}${every.toFixed(3).padStart(24)}${(every / indexed).toFixed(0).padStart(17)}\n`,
  );
  if (withoutNft === undefined) nftablesRow(services);
}
if (withoutNft !== undefined) process.stdout.write(`nftables   not measured: ${withoutNft}\n`);

/** The whole walk, hook by hook, through what the kernel lists of the table. */
function nftablesRow(services: number): void {
  const { status, stdout } = spawnSync('unshare', ['--net', 'sh', '-c', 'nft -f - && nft list ruleset'], {
    input: [...nftablesRuleset({ services, endpoints: 4 })].join(''),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`nft did not take ${String(services)} Services`);
  const parser = new NftTextParser();
  parser.push(stdout);
  const ruleset = { iptables: [], nftables: parser.end().result, ipSets: [], virtualServers: [], problems: [] };
  const walk = (number: number): number => {
    const packet: Packet = {
      source: '10.244.0.9',
      destination: generatedService(number, 4).clusterIP,
      destinationPort: 80,
      protocol: 'TCP',
      entersAt: 'PREROUTING',
    };
    const started = process.hrtime.bigint();
    const { leaves, unknown } = walkRuleset(ruleset, packet, [nodeAddress]);
    const taken = Number(process.hrtime.bigint() - started) / 1e6;
    if (leaves.length !== 4 || unknown.length > 0)
      throw new Error(`the packet has ${String(leaves.length)} destinations, and ${unknown.join()} is not known`);
    return taken;
  };
  const first = walk(0);
  const packet =
    Array.from({ length: 501 }, (_, round) => walk((round * 7919) % services)).sort((one, other) => one - other)[250] ??
    NaN;
  process.stdout.write(
    `nftables   ${String(services).padStart(8)}${first.toFixed(2).padStart(13)}${packet.toFixed(4).padStart(14)}\n`,
  );
}
