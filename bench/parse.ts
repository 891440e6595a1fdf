/**
 * `npm run bench:parse -- 100 1000 10000 30000`: what a full dump of the nat table costs to read into typed rules, streamed,
 * against what iptables-save itself needs to print it, and iptables-xml to read it; and what a listing of kube-proxy's
 * table of nftables costs to read into the model, as text and as JSON, against nft that prints it; in the same run. Prints medians,
 * their ratios, and the peak memory of each process. Processor time is printed beside the time of the clock, for a machine
 * that has more to do. Needs root, the packages iptables and nftables, and /usr/bin/time; rules are loaded into a namespace of their own.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { kernelUnavailable } from '../test/kernel/namespace.ts';
import { iptablesRuleset, nftablesRuleset } from './ruleset.ts';

const sizes = process.argv
  .slice(2)
  .filter((word) => /^\d+$/.test(word))
  .map(Number);
const rounds = 5;
/** What takes longer is not repeated. */
const longMilliseconds = 20_000;

if (process.env['SVCTRACE_BENCH_NAMESPACE'] === undefined) {
  const unavailable = kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi', 'iptables-xml', 'nft', 'time']);
  if (unavailable !== undefined) {
    process.stderr.write(`The benchmark cannot run here: ${unavailable}.\n`);
    process.exit(1);
  }
  const { status } = spawnSync(
    'unshare',
    ['--net', process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)],
    { stdio: 'inherit', env: { ...process.env, SVCTRACE_BENCH_NAMESPACE: '1' } },
  );
  process.exit(status ?? 1);
}

interface Cost {
  readonly milliseconds: number;
  readonly processorMilliseconds: number;
  readonly mebibytes: number;
  readonly isWhole: boolean;
}

const folder = mkdtempSync(join(tmpdir(), 'svctrace-bench-'));

/** Runs a command by /usr/bin/time, from one file to another. */
function run(command: readonly string[], from: string, to: string): Cost {
  const input = openSync(from, 'r');
  const output = openSync(to, 'w');
  const report = join(folder, 'report');
  const started = process.hrtime.bigint();
  const { status } = spawnSync('time', ['-o', report, '-f', '%U %S %M', ...command], {
    stdio: [input, output, 'pipe'],
  });
  const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
  closeSync(input);
  closeSync(output);
  const [user = NaN, system = NaN, kibibytes = NaN] = (readFileSync(report, 'utf8').trim().split('\n').at(-1) ?? '')
    .split(' ')
    .map(Number);
  return {
    milliseconds,
    processorMilliseconds: (user + system) * 1000,
    mebibytes: kibibytes / 1024,
    isWhole: status === 0,
  };
}

const cell = ({ milliseconds, processorMilliseconds, mebibytes }: Cost): string =>
  `${milliseconds.toFixed(0)} (${processorMilliseconds.toFixed(0)})`.padStart(15) + mebibytes.toFixed(0).padStart(5);
const ratio = (other: Cost, ours: Cost): string =>
  `${(other.milliseconds / ours.milliseconds).toFixed(2)} (${(other.processorMilliseconds / ours.processorMilliseconds).toFixed(2)})`.padStart(
    14,
  );

function median(command: readonly string[], from: string, to: string): Cost {
  const first = run(command, from, to);
  const costs = [
    first,
    ...Array.from({ length: first.milliseconds > longMilliseconds ? 0 : rounds - 1 }, () => run(command, from, to)),
  ];
  const middle = (of: (cost: Cost) => number): number =>
    costs.map(of).sort((one, other) => one - other)[Math.floor(costs.length / 2)] ?? NaN;
  return {
    milliseconds: middle((cost) => cost.milliseconds),
    processorMilliseconds: middle((cost) => cost.processorMilliseconds),
    mebibytes: Math.max(...costs.map((cost) => cost.mebibytes)),
    isWhole: costs.every(({ isWhole }) => isWhole),
  };
}

try {
  const reader = join(folder, 'reader.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('./parse-reader.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: reader,
    logLevel: 'error',
  });
  process.stdout.write(
    `Medians of ${String(rounds)}, what takes more than ${String(longMilliseconds / 1000)} s once; "x" is how many times longer than ours, by the clock and by the processor\nbackend    Services    lines  ours: ms (cpu)  MiB   iptables-save, nft: ms (cpu)  MiB  x (cpu)   iptables-xml: ms (cpu)  MiB     x (cpu)\n`,
  );
  for (const services of sizes.length === 0 ? [100, 1000] : sizes) {
    const rules = join(folder, 'rules');
    writeFileSync(rules, [...iptablesRuleset({ services, endpoints: 4 })].join(''));
    for (const [backend, suffix] of [
      ['nf_tables', 'nft'],
      ['legacy', 'legacy'],
    ] as const) {
      const loaded = run([`iptables-${suffix}-restore`], rules, join(folder, 'nothing'));
      if (!loaded.isWhole) throw new Error(`iptables-${suffix}-restore did not take ${String(services)} Services`);
      const dump = join(folder, 'dump');
      const save = median([`iptables-${suffix}-save`, '-c', '-t', 'nat'], '/dev/null', dump);
      const ours = median([process.execPath, reader], dump, join(folder, 'read'));
      const xml = median(['iptables-xml'], dump, join(folder, 'xml'));
      const lines = readFileSync(dump, 'utf8')
        .split('\n')
        .filter((line) => /^[[:]/.test(line)).length;
      const read = Number(readFileSync(join(folder, 'read'), 'utf8'));
      const written = readFileSync(dump, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('[')).length;
      if (read !== written) throw new Error(`${String(read)} of ${String(written)} rules were read`);
      process.stdout.write(
        `${backend.padEnd(11)}${String(services).padStart(8)}${String(lines).padStart(9)} ${cell(ours)}      ${cell(save)}${ratio(save, ours)}   ${xml.isWhole ? cell(xml) + ratio(xml, ours) : '  it refuses so many chains'}\n`,
      );
      spawnSync(`iptables-${suffix}-restore`, { input: '*nat\nCOMMIT\n*filter\nCOMMIT\n' });
    }
    writeFileSync(rules, [...nftablesRuleset({ services, endpoints: 4 })].join(''));
    if (!run(['nft', '-f', '-'], rules, join(folder, 'nothing')).isWhole)
      throw new Error(`nft did not take ${String(services)} Services`);
    let read: number | undefined;
    for (const [form, options] of [
      ['nft-text', []],
      ['nft-json', ['-j']],
    ] as const) {
      const dump = join(folder, 'dump');
      const list = median(['nft', ...options, 'list', 'table', 'ip', 'kube-proxy'], '/dev/null', dump);
      const ours = median([process.execPath, reader, form], dump, join(folder, 'read'));
      const lines = readFileSync(dump, 'utf8').split('\n').length - 1;
      const own = Number(readFileSync(join(folder, 'read'), 'utf8'));
      if (own < services || (read !== undefined && read !== own))
        throw new Error(
          `of ${String(services)} Services ${String(own)} rules were read, and ${String(read)} of the text`,
        );
      read = own;
      process.stdout.write(
        `${form.padEnd(11)}${String(services).padStart(8)}${String(lines).padStart(9)} ${cell(ours)}      ${cell(list)}${ratio(list, ours)}\n`,
      );
    }
    spawnSync('nft', ['flush', 'ruleset']);
  }
} finally {
  rmSync(folder, { recursive: true });
}
