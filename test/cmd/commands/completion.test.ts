import { describe, expect, it } from 'vitest';
import { complete, runCompletion } from '../../../cmd/commands/completion.ts';
import { readCompletionRequest } from '../../../cmd/cli/options.ts';
import { testIo } from '../../support/fake-cluster.ts';

const cluster = async (_words: readonly string[], kind: string): Promise<string[]> =>
  ({
    services: ['auth-service', 'kubernetes'],
    namespaces: ['default', 'kube-system'],
    nodes: ['node-a'],
    pods: ['client-a'],
    traces: ['by-gitops'],
  })[kind] ?? [];

const rows: [string[], string[], number][] = [
  [
    [''],
    [
      'explain',
      'diagram',
      'report',
      'dns',
      'logs',
      'rollout',
      'capture',
      'record',
      'simulate',
      'findings',
      'install',
      'uninstall',
      'status',
      'version',
      'completion',
      'auth-service',
      'kubernetes',
    ],
    4,
  ],
  [['au'], ['auth-service'], 4],
  [['trace', ''], ['auth-service', 'kubernetes'], 4],
  [['auth-service', ''], [], 4],
  [['-n', 'kube'], ['kube-system'], 4],
  [['-n', 'default', 'a'], ['auth-service'], 4],
  [['--namespace=d'], ['--namespace=default'], 4],
  [['auth-service', '-o', 'j'], ['json'], 4],
  [['auth-service', '--conntrack', ''], ['none', 'summary', 'entries'], 4],
  [['auth-service', '--connect=h'], ['--connect=http'], 4],
  [['--connect', 'au'], ['auth-service'], 4],
  [['auth-service', '--node', ''], ['node-a'], 4],
  [['auth-service', '--from', ''], ['client-a'], 4],
  [['--trace', ''], ['by-gitops'], 4],
  [['--bundle', ''], [], 0],
  [['auth-service', '--st'], ['--standalone'], 4],
  [['completion', ''], ['bash', 'zsh', 'fish'], 4],
  [['--server', ''], [], 4],
  [['--view', 'rules', 'au'], ['auth-service'], 4],
  [['auth-service', '--view', 'r'], ['rules'], 4],
  [['findings', 'RULE-EP-S'], ['RULE-EP-STALE'], 4],
  [['simulate', '--ruleset', ''], [], 0],
  [['simulate', '--node-ip', '10.0.0.1', 'au'], ['auth-service'], 4],
  [['simulate', '--in-interface', 'eth0', '--out-interface', ''], [], 4],
  [['explain', 'auth-service', '--st'], [], 4],
  [['explain', 'auth-service', '-o', ''], ['text', 'json', 'yaml'], 4],
  [['explain', 'auth-service', '--to', ''], [], 4],
  [['report', 'auth-service', '--to', ''], [], 0],
  [['logs', '-f', 'au'], ['auth-service'], 4],
  [['status', ''], [], 4],
];

describe('completes', () => {
  it.each(rows)('%j', async (words, candidates, directive) => {
    expect(await complete(words, cluster)).toEqual({ candidates, directive });
  });
});

it.each(['bash', 'zsh', 'fish'])('the script for %s asks __complete', (shell) => {
  const io = testIo();
  expect(runCompletion(readCompletionRequest({ shell }), io)).toBe(0);
  expect(io.out()).toContain('kubectl-svctrace __complete');
});
