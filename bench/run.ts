/**
 * `npm run bench -- 100 1000 10000 30000`: what reading one Service's rules costs on a node, against what people do by
 * hand, in the same run, for each backend and number of Services (four endpoints each). Prints medians, their ratios,
 * and the largest resident set of any process of either side. By hand:
 *
 *   iptables-nft-save -c -t nat | grep -F NAMESPACE/NAME:       (iptables-legacy-save for the legacy backend)
 *   nft list table ip kube-proxy | grep -F -A 2 NAMESPACE/NAME/ (a rule of nftables does not name its chain)
 *
 * The nftables mode is read over netlink; "listing" is how the probe reads it where it cannot: the whole table as JSON,
 * in this process as well. What takes more than a minute is not repeated as often: one round at least.
 *
 * The probe is measured twice: its reading alone, in this process, and the whole bundled program from its start, as a
 * node pays for it (dist/probe.mjs of `npm run build`: it also reads /proc, the list of tables, and asks kube-proxy,
 * which is not there). Needs root, the packages iptables and nftables, and GNU time for the resident sets; the rules are
 * loaded into network namespaces that go with the processes. `npm run bench -- legacy 1000` measures one backend.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeReportRecord } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import { realCommands, type Commands } from '../probe/io/commands.ts';
import { readLegacyBackend } from '../probe/rules/read-iptables-legacy.ts';
import { readNftBackend } from '../probe/rules/read-iptables-nft.ts';
import { readNftables } from '../probe/rules/read-nftables.ts';
import {
  inNamespaces,
  loadRuleset,
  pipelineByHand,
  probeFile,
  requestedService,
  requireEndpoints,
  runsOf,
  type Backend,
} from './loaded-ruleset.ts';
import { generatedService, nodeAddress } from './ruleset.ts';

const endpoints = 4;

await inNamespaces(import.meta.url, runsOf(process.argv.slice(2), [100, 1000]), { printHead, measureOne });

function printHead(): void {
  process.stdout.write(
    `One Service of so many, ${String(endpoints)} endpoints each; milliseconds (medians), and how many times faster than by hand; MiB: largest resident set\n`,
  );
  process.stdout.write(
    [
      'backend'.padEnd(10),
      'Services',
      'by hand',
      'MiB',
      'listing',
      'reading: references',
      'with rules',
      'whole probe: references',
      'with rules',
      'MiB',
    ]
      .map((word) => word.padStart(9))
      .join('  ') + '\n',
  );
}

async function measureOne(backend: Backend, size: number): Promise<void> {
  loadRuleset(backend, { services: size, endpoints });
  const rounds = size >= 10000 ? 5 : 11;
  // A Service from the middle: neither the first nor the last of a long chain.
  const asked = generatedService(Math.floor(size / 2) + 1, endpoints);
  const service = requestedService(asked);
  const reading =
    (dispatch: Dispatch, commands = realCommands()): (() => Promise<void>) =>
    async () => {
      const records: NodeReportRecord[] = [];
      const emit = (record: NodeReportRecord): void => {
        records.push(record);
      };
      const tables = new Set(['nat', 'filter']);
      if (backend === 'nf_tables') await readNftBackend(commands, 'IPv4', tables, [service], dispatch, emit);
      else if (backend === 'legacy') await readLegacyBackend(commands, 'IPv4', tables, [service], emit);
      else await readNftables(commands, 'IPv4', [service], [nodeAddress], 'References', emit);
      requireEndpoints(JSON.stringify(records), asked.endpoints);
    };
  const whole =
    (dispatch: Dispatch): (() => number | undefined) =>
    () => {
      const request: ProbeRequest = {
        version: 1,
        node: 'bench',
        services: [service],
        collect: { rules: true, conntrack: 'None', kubeProxy: false, dispatch },
        maxConntrackEntries: 0,
      };
      const { stdout, memory } = run([process.execPath, probeFile], `${JSON.stringify(request)}\n`);
      requireEndpoints(stdout, asked.endpoints);
      return memory;
    };
  const byHand = await measure(rounds, () => {
    const { stdout, memory } = run(['sh', '-c', pipelineByHand(backend, asked.port)]);
    requireEndpoints(stdout, asked.endpoints);
    return memory;
  });
  const listing = backend === 'nftables' ? await measure(rounds, reading('Rules', withoutNetlink())) : undefined;
  const [references, rules] = [await measure(rounds, reading('References')), await measure(rounds, reading('Rules'))];
  const [wholeReferences, wholeRules] = [
    await measure(rounds, whole('References')),
    await measure(rounds, whole('Rules')),
  ];
  const against = ({ median }: Measured, width: number): string =>
    `${median.toFixed(1)} (${(byHand.median / median).toFixed(2)}x)`.padStart(width);
  const mebibytes = (memory: number | undefined): string =>
    (memory === undefined ? '-' : (memory / 1024).toFixed(0)).padStart(9);
  process.stdout.write(
    [
      backend.padEnd(10),
      String(size).padStart(9),
      byHand.median.toFixed(1).padStart(9),
      mebibytes(byHand.memory),
      listing === undefined ? '-'.padStart(9) : listing.median.toFixed(1).padStart(9),
      against(references, 19),
      against(rules, 16),
      against(wholeReferences, 23),
      against(wholeRules, 16),
      mebibytes(Math.max(wholeReferences.memory ?? NaN, wholeRules.memory ?? NaN)),
    ].join('  ') + '\n',
  );
}

/** The real programs, but for perl, with time for a listing of 30,000 Services. */
function withoutNetlink(): Commands {
  const real = realCommands(600_000);
  return {
    stream: (argv, onLine, input) =>
      argv[0] === 'perl'
        ? Promise.resolve({ status: 127, problem: 'perl is not to be used', errors: [] })
        : real.stream(argv, onLine, input),
  };
}

type Dispatch = NonNullable<ProbeRequest['collect']['dispatch']>;

interface Measured {
  /** Milliseconds. */
  readonly median: number;
  /** KiB */
  readonly memory: number | undefined;
}

/** Of so many rounds, or of as many as were begun in a minute. */
async function measure(rounds: number, once: () => Promise<void> | number | undefined): Promise<Measured> {
  const times: number[] = [];
  let memory: number | undefined;
  const end = Date.now() + 60_000;
  for (let round = 0; round < rounds && (round === 0 || Date.now() < end); round += 1) {
    const started = process.hrtime.bigint();
    const used = await once();
    times.push(Number(process.hrtime.bigint() - started) / 1e6);
    if (typeof used === 'number') memory = Math.max(memory ?? 0, used);
  }
  return { median: times.sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? NaN, memory };
}

/** Runs a program; its standard output, and the largest resident set among it and all that it waited for, in KiB. */
function run(argv: readonly string[], input = ''): { stdout: string; memory: number | undefined } {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-bench-'));
  const memoryFile = join(folder, 'memory');
  try {
    const all = existsSync('/usr/bin/time') ? ['/usr/bin/time', '-f', '%M', '-o', memoryFile, ...argv] : argv;
    const { stdout, stderr, status } = spawnSync(all[0] ?? '', all.slice(1), {
      input,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
    return { stdout, memory: existsSync(memoryFile) ? Number(readFileSync(memoryFile, 'utf8').trim()) : undefined };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
