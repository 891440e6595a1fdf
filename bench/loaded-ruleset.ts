/** Rulesets of any size in the kernel, and what people read one Service of them with. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { iptablesRuleset, nftablesRuleset, type GeneratedService, type RulesetSize } from './ruleset.ts';

export const allBackends = ['nf_tables', 'legacy', 'nftables'] as const;
export type Backend = (typeof allBackends)[number];

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
