/**
 * When rules of a node really changed, by two witnesses that share nothing with this project: a program of the harness in the node's
 * namespace (test/cluster/programs/hosttool/rules.go), and kube-proxy's log.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';

/** Milliseconds since 1970, with a fraction; it was at some time between the two. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

const sightSchema = z.object({
  from: z.number(),
  to: z.number(),
  generation: z.number().int(),
  added: z.array(z.string()),
  removed: z.array(z.string()),
});

/** A change of a node's rules, and the addresses that came and went with it. */
export type RuleSight = z.infer<typeof sightSchema>;

export interface RuleTimes {
  /** In their order. */
  readonly sights: readonly RuleSight[];
  /** Undefined while the address has not come. */
  readonly cameAt: (address: string) => RuleSight | undefined;
  /** What came until now is of no interest. */
  readonly forget: () => void;
  /** @throws where the program ended before: it has missed something then */
  readonly end: () => Promise<void>;
}

/** @param range `ADDRESS/BITS`, of the addresses that are looked for */
export async function startRuleTimes(cluster: Cluster, node: ClusterNode, range: string): Promise<RuleTimes> {
  const child = spawn(
    cluster.programs.hosttool,
    ['rules', '--netns', node.netns, '--tables', node.backend === 'legacy' ? 'legacy' : 'nf_tables', '--range', range],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let problem = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    problem += text;
  });
  const sights: RuleSight[] = [];
  const first = new Map<string, RuleSight>();
  const lines = createInterface(child.stdout);
  const exited = once(child, 'exit');
  const ready = once(lines, 'line');
  lines.on('line', (line) => {
    if (line === 'ready') return;
    const sight = sightSchema.parse(JSON.parse(line));
    sights.push(sight);
    for (const address of sight.added) if (!first.has(address)) first.set(address, sight);
  });
  await Promise.race([
    ready,
    exited.then(() => {
      throw new Error(`the times of the rules of ${node.name} cannot be had: ${problem}`);
    }),
  ]);
  return {
    sights,
    cameAt: (address) => first.get(address),
    forget: () => {
      sights.length = 0;
    },
    end: async () => {
      if (child.exitCode !== null)
        throw new Error(`the times of the rules of ${node.name} were not written to the end: ${problem}`);
      child.stdin.end();
      await exited;
    },
  };
}

/** In kube-proxy's log with -v=2: between these two lines, it gives the kernel its rules. */
const writing = /^I(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) .*"Reloading service (?:iptables|nftables) data"/;
const written = /^I(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) .*"SyncProxyRules complete"/;

/** When the node's kube-proxy wrote rules, by its log. */
export function writingTimes(cluster: Cluster, node: string): Span[] {
  const spans: Span[] = [];
  let from: number | undefined;
  for (const line of readFileSync(join(cluster.logs, `${node}.kube-proxy.log`), 'utf8').split('\n')) {
    const [began, ended] = [writing.exec(line), written.exec(line)];
    if (began !== null) from = timeOf(began);
    else if (ended !== null && from !== undefined) {
      spans.push({ from, to: timeOf(ended) });
      from = undefined;
    }
  }
  return spans;
}

/** The log has no year, and the clock of the machine. */
function timeOf([, month, day, hour, minute, second, microseconds]: RegExpExecArray): number {
  const [one = 0, two = 0, three = 0, four = 0, five = 0] = [month, day, hour, minute, second].map(Number);
  return new Date(new Date().getFullYear(), one - 1, two, three, four, five).getTime() + Number(microseconds) / 1000;
}
