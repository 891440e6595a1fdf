import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterFacts } from '../../../core/api/cluster-facts.ts';
import { kubectl, shellOn } from '../../../core/api/command.ts';
import { datapathAction } from '../../../core/diagnose/checks/datapath-advice.ts';
import { diagnose } from '../../../core/diagnose/diagnose.ts';
import { kubeProxyLogs, restartKubeProxy } from '../../../core/diagnose/checks/kube-proxy-advice.ts';
import { sliceControllerAdvice } from '../../../core/diagnose/checks/slice-controller-advice.ts';
import type { FindingStatus } from '../../../core/api/service-trace.ts';
import { collectedAt, desiredService } from '../../support/node-facts.ts';
import { findingCases } from './finding-cases/all.ts';

const findings = findingCases.flatMap(({ facts }) => diagnose({ now: collectedAt, ...facts }));
const byId = [...Map.groupBy(findings, ({ id }) => id)];

const node = (kubeletVersion: string): NonNullable<ClusterFacts['nodes']>[number] => ({
  name: 'node-a',
  ready: true,
  internalIPs: ['172.20.0.2'],
  podCIDRs: [],
  kubeletVersion,
});
const proxyPod = (owner?: { kind: string; name: string }): NonNullable<ClusterFacts['kubeProxy']>['pods'][number] => ({
  name: 'kube-proxy-x',
  node: 'node-a',
  ready: true,
  restarts: 0,
  image: 'kube-proxy:v1.37.2',
  ...(owner === undefined ? {} : { owner }),
});
const cluster = (
  pods: NonNullable<ClusterFacts['kubeProxy']>['pods'] | undefined,
  version = 'v1.37.2',
): ClusterFacts => ({ nodes: [node(version)], ...(pods === undefined ? {} : { kubeProxy: { pods } }), unread: [] });
const runs = (
  action:
    | Pick<FindingStatus, 'commands'>
    | { readonly commands?: readonly { readonly node?: string; readonly run: string }[] },
): string[] => (action.commands ?? []).map((command) => `${command.node ?? ''}> ${command.run}`);

describe('advice', () => {
  it.each(byId)('of %s is sentences, and its commands stand beside it', (_id, all) => {
    for (const { advice } of all) {
      expect(advice).toMatch(/^(?:[A-Z]|kube-proxy)[^\n]*\.$/);
      expect(advice).not.toMatch(
        /\b(?:kubectl|sysctl -w|conntrack -|ipvsadm|journalctl|systemctl|chronyc|modprobe|ss -|ip addr|ip route|iptables -|nft list|crictl)\b/,
      );
    }
  });

  it.each(byId.filter(([, all]) => all.some(({ commands }) => commands !== undefined)))(
    'of %s has commands that can be pasted: one line each, whole, for a shell that is named',
    (_id, all) => {
      for (const { run, node: place } of all.flatMap(({ commands = [] }) => commands)) {
        expect(run).toMatch(/^[!-~][ -~]*$/);
        // A placeholder is what somebody has to replace before he pastes.
        expect(run.replace(/SYN_SENT|FailedToUpdateEndpointSlices|SingleStack/g, '')).not.toMatch(
          /\b[A-Z]{3,}\b|undefined|\/(?= |$)/,
        );
        expect(run.startsWith('kubectl ')).toBe(place === undefined);
      }
    },
  );

  it.each(byId)('of %s counts in good English, and so do its message and its evidence', (_id, all) => {
    for (const { message, evidence, advice } of all) {
      for (const text of [message, ...evidence, advice]) {
        // `1 endpoints`, `0 endpoint`, `1 endpoint are`; 1 s is a second, and `of 1 nodes` is none either.
        expect(text.replace(/1 (?:is|has|was|s|ms|hours?|does|gets|times as|addresses as|of)\b/g, '')).not.toMatch(
          /(?<![\d.:/=-])\b1 (?:(?:ready|UDP|TCP|IPv4|IPv6|conntrack|more) )*[a-z]{3,}s\b/i,
        );
        expect(text).not.toMatch(
          /\b1 (?:of \d+ )?(?:\w+ )?(?:endpoints?|pods?|nodes?|entry|connection|packet|change) (?:have|are|send|get|wait|count|do|drop)\b/,
        );
      }
    }
  });

  it('looks before it changes something', () => {
    const changes =
      /^kubectl (?:-n \S+ )?(?:delete|edit|patch|set|create|rollout)\b|^(?:sysctl -w|conntrack -D|systemctl restart|modprobe|crictl stop|kube-proxy --cleanup)/;
    for (const { commands = [] } of findings) {
      const kinds = commands.map(({ run }) => changes.test(run));
      expect(kinds).toEqual([...kinds].sort((one, other) => Number(one) - Number(other)));
    }
  });

  it('names the Event of the EndpointSlice controller, which is there where nobody sees its pod', () => {
    for (const id of ['EPS-MISSING', 'EPS-READY-DIFFERS']) {
      const found = findings.find((finding) => finding.id === id);
      expect(found?.advice).toContain('the Event FailedToUpdateEndpointSlices');
      expect(runs(found ?? {})).toEqual([
        `> kubectl -n default get events --field-selector involvedObject.kind=Service,involvedObject.name=auth-service,reason=FailedToUpdateEndpointSlices`,
      ]);
    }
    expect(sliceControllerAdvice(desiredService()).advice).toContain('FailedToUpdateEndpointSlices');
    expect(runs(sliceControllerAdvice(desiredService(), 'manual-1'))).toEqual([
      '> kubectl -n default get endpointslice/manual-1 -o yaml --show-managed-fields',
      '> kubectl -n default delete endpointslice/manual-1',
    ]);
  });
});

describe('advice about kube-proxy', () => {
  it.each([
    [
      'a pod of a DaemonSet',
      cluster([proxyPod({ kind: 'DaemonSet', name: 'kube-proxy' })]),
      ['> kubectl -n kube-system logs pod/kube-proxy-x', '> kubectl -n kube-system delete pod/kube-proxy-x'],
    ],
    [
      'a static pod',
      cluster([proxyPod({ kind: 'Node', name: 'node-a' })]),
      ['> kubectl -n kube-system logs pod/kube-proxy-x', 'node-a> crictl stop $(crictl ps -q --name kube-proxy)'],
    ],
    [
      'a pod of which the owner is not known',
      cluster([proxyPod()]),
      ['> kubectl -n kube-system logs pod/kube-proxy-x'],
    ],
    [
      'a service of the host',
      cluster([]),
      ['node-a> journalctl -u kube-proxy', 'node-a> systemctl restart kube-proxy'],
    ],
    ['a part of k3s', cluster([], 'v1.33.1+k3s1'), ['node-a> journalctl -u k3s -u k3s-agent']],
    [
      'not known',
      cluster(undefined),
      ['> kubectl -n kube-system get pods -o wide --field-selector spec.nodeName=node-a'],
    ],
    ['not read at all', undefined, ['> kubectl -n kube-system get pods -o wide --field-selector spec.nodeName=node-a']],
  ])('that is %s', (_name, facts, expected) => {
    expect(runs(restartKubeProxy('node-a', facts))).toEqual(expected);
    expect(kubeProxyLogs('node-a', facts, 'shows it').commands.map(({ run }) => run)).toEqual([
      restartKubeProxy('node-a', facts).commands[0]?.run,
    ]);
  });

  it('names a pod only where there is one', () => {
    expect(restartKubeProxy('node-a', cluster([])).advice).toContain('No pod of kube-proxy is known on node-a');
    expect(restartKubeProxy('node-b', cluster([proxyPod()])).advice).toContain(
      'No pod of kube-proxy is known on node-b',
    );
    expect(restartKubeProxy('node-a', undefined).advice).toContain('Whether it runs in a pod there is not known.');
  });

  it.each([
    ['v1.33.5-gke.1125000', 'ds/anetd'],
    ['v1.37.2', 'ds/cilium'],
  ])('asks the Cilium of a kubelet %s by its own DaemonSet', (version, daemonSet) => {
    const datapath = { name: 'Cilium' as const, interfaces: ['cilium_host'], replacesKubeProxy: true, keeps: '' };
    expect(runs(datapathAction([{ node: 'node-a', datapath }], desiredService(), cluster([], version)))[0]).toContain(
      `exec ${daemonSet} -c cilium-agent -- `,
    );
  });
});

describe('a command', () => {
  it('means to the shell what was meant, whatever the names hold', () => {
    const words = fc.sample(
      fc.string({ unit: 'binary', maxLength: 12 }).filter((word) => !word.includes('\0')),
      { numRuns: 300, seed: 12 },
    );
    const attacks = [
      'x; touch /tmp/pwned',
      '$(reboot)',
      '`id`',
      "a'b",
      'a"b',
      '\u001b]52;c;eA==\u0007',
      'one\ntwo',
      '-n',
      'ünïcode',
      '\\',
      '!!',
    ];
    for (const build of [
      (...all: string[]) => shellOn('node-a', 'printf', '%s\\0', ...all).run,
      (...all: string[]) => kubectl(...all).run.replace(/^kubectl/, String.raw`printf '%s\0'`),
    ]) {
      const line = build(...words, ...attacks);
      expect(line).toMatch(/^[ -~]*$/);
      expect(execFileSync('bash', ['-c', line], { encoding: 'utf8' }).split('\0').slice(0, -1)).toEqual(
        [...words, ...attacks].map((word) => Buffer.from(word).toString('utf8')),
      );
    }
  });
});
