/** Rulesets of any size in the kernel, and what people read one Service of them with; one run for each, in a namespace of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProbeRequestService } from '../core/wire/probe-request.ts';
import { kernelUnavailable } from '../test/kernel/namespace.ts';
import { iptablesRuleset, nftablesRuleset, type GeneratedService, type RulesetSize } from './ruleset.ts';

export const allBackends = ['nf_tables', 'legacy', 'nftables'] as const;
export type Backend = (typeof allBackends)[number];

/** Of the bundled probe. */
export const probeFile = fileURLToPath(new URL('../dist/probe.mjs', import.meta.url));

export interface Runs {
  readonly backends: readonly Backend[];
  /** Numbers of Services. */
  readonly sizes: readonly number[];
}

/** Words of the command line: names of backends (default: all) and numbers of Services. */
export function runsOf(words: readonly string[], usualSizes: readonly number[]): Runs {
  const named = allBackends.filter((backend) => words.includes(backend));
  const sizes = words.filter((word) => /^\d+$/.test(word)).map(Number);
  return { backends: named.length === 0 ? allBackends : named, sizes: sizes.length === 0 ? usualSizes : sizes };
}

/**
 * Starts the benchmark once more for each backend and size, in a network namespace that goes with it; there, measures.
 * @param script URL of the benchmark
 * @param printHead called before the first run
 * @param flags passed on
 */
export async function inNamespaces(
  script: string,
  { backends, sizes }: Runs,
  {
    printHead,
    measureOne,
    flags = [],
  }: {
    readonly printHead: () => void;
    readonly measureOne: (backend: Backend, size: number) => Promise<void>;
    readonly flags?: readonly string[];
  },
): Promise<void> {
  if (process.env['SVCTRACE_BENCH_NAMESPACE'] !== undefined) {
    for (const backend of backends) for (const size of sizes) await measureOne(backend, size);
    return;
  }
  const unavailable =
    kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi', 'nft']) ??
    (existsSync(probeFile) ? undefined : 'there is no dist/probe.mjs (npm run build makes it)');
  if (unavailable !== undefined) {
    process.stderr.write(`The benchmark cannot run here: ${unavailable}.\n`);
    process.exit(1);
  }
  printHead();
  for (const backend of backends)
    for (const size of sizes) {
      const { status } = spawnSync(
        'unshare',
        ['--net', process.execPath, fileURLToPath(script), backend, String(size), ...flags],
        { stdio: 'inherit', env: { ...process.env, SVCTRACE_BENCH_NAMESPACE: '1' } },
      );
      if (status !== 0) process.exit(status ?? 1);
    }
}

/** What is asked of a node for one generated Service. */
export function requestedService({ clusterIP, port }: GeneratedService): ProbeRequestService {
  const { namespace, name, portName, protocol } = port;
  return {
    namespace,
    name,
    clusterIPs: [clusterIP],
    externalIPs: [],
    loadBalancerIPs: [],
    ports: [{ name: portName, protocol, port: 80 }],
  };
}

/** For a shell. */
export function pipelineByHand(backend: Backend, { namespace, name }: GeneratedService['port']): string {
  return backend === 'nftables'
    ? `nft list table ip kube-proxy | grep -F -A 2 ${namespace}/${name}/`
    : `iptables-${backend === 'legacy' ? 'legacy' : 'nft'}-save -c -t nat | grep -F ${namespace}/${name}:`;
}

/** Loads the ruleset into this process's own namespace, through a file: the text of 30,000 Services is not held. */
export function loadRuleset(backend: Backend, size: RulesetSize): void {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-bench-'));
  try {
    const file = join(folder, 'rules');
    const output = openSync(file, 'w');
    for (const piece of backend === 'nftables' ? nftablesRuleset(size) : iptablesRuleset(size))
      writeSync(output, piece);
    const argv =
      backend === 'nftables'
        ? ['nft', '-f', file]
        : [`iptables-${backend === 'legacy' ? 'legacy' : 'nft'}-restore`, '-c', file];
    const { status, stderr } = spawnSync(argv[0] ?? '', argv.slice(1), { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A fast answer that lacks an endpoint is not an answer. */
export function requireEndpoints(text: string, wanted: readonly string[]): void {
  const missing = wanted.find(
    (endpoint) =>
      !text.includes(endpoint) &&
      !text.includes(endpoint.replace(':', ' . ')) &&
      !text.includes(endpoint.replace(':', '",')),
  );
  if (missing !== undefined) throw new Error(`${missing} is not in what was read:\n${text.slice(0, 2000)}`);
}
