/** The rules of a status, in the words of `explain`: the same sentences, whatever the proxy mode. */
import { statusInputOf } from '../../../core/status/input.ts';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseBundle } from '../../../core/wire/bundle.ts';
import { explainProgram } from '../../../core/explain/explain-program.ts';
import { explainStatusProgram, type StatusRule } from '../../../core/explain/explain-status.ts';
import { buildNodeProgram } from '../../../core/program/node-program.ts';
import { fingerprintOf } from '../../../core/program/program-chains.ts';
import { buildStatus } from '../../../core/status/status.ts';
import type { ChainStatus, NodePortStatus, ProgramStatus } from '../../../core/api/service-trace.ts';
import { bundleNames } from '../../support/drifted-bundle.ts';
import { ipvsService } from '../../support/ipvs-cases.ts';

const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const bundles = bundleNames.filter((name) => name !== 'headless');

function recorded(name: string): {
  explained: { program: ProgramStatus; chain: ChainStatus; index: number; rule: StatusRule }[];
  explainedRules: ReadonlyMap<string, string>;
} {
  const bundle = parseBundle(readFileSync(`${folder}${name}.svctrace`, 'utf8'));
  const { desired, answers } = bundle;
  const status = buildStatus(statusInputOf(bundle));
  const explainedRules = new Map<string, string>();
  for (const answer of answers) {
    if (!('report' in answer)) continue;
    const fingerprint = fingerprintOf(buildNodeProgram(answer.report, desired));
    for (const { family, stages } of explainProgram(answer.report, desired)) {
      for (const { table, chain, rules } of stages.flatMap(({ chains }) => chains))
        for (const rule of rules)
          explainedRules.set([fingerprint, family, table, chain, rule.text].join(' '), rule.sentence);
    }
  }
  const explained = (status.programs ?? []).flatMap((program) => {
    const ports = status.nodes?.find(({ program: own }) => own === program.fingerprint)?.ports ?? [];
    const explainer = explainStatusProgram(program, desired, ports);
    return program.chains.flatMap((chain) =>
      chain.rules.map((_, index) => ({ program, chain, index, rule: explainer.rule(chain, index) })),
    );
  });
  return { explained, explainedRules };
}

describe.each(bundles)('%s', (name) => {
  const { explained, explainedRules } = recorded(name);

  it('says of each rule what explain says of it', () => {
    const compared = explained.flatMap(({ program, chain, index, rule }) => {
      const sentence = explainedRules.get(
        [program.fingerprint, chain.family, chain.table, chain.name, chain.rules[index]?.text ?? ''].join(' '),
      );
      return sentence === undefined ? [] : [{ rule: chain.rules[index]?.text, ofStatus: rule.sentence, sentence }];
    });
    expect(compared.length).toBeGreaterThan(10);
    for (const { ofStatus, sentence, rule } of compared) expect(ofStatus, rule).toBe(sentence);
  });

  it('knows which function of kube-proxy writes each', () => {
    for (const { chain, index, rule } of explained)
      expect(rule.writer, chain.rules[index]?.text).toMatch(
        /^[A-Za-z]+(?: \(iptablesJumpChains\))? in pkg\/proxy\/(?:iptables|nftables)\/proxier\.go$/,
      );
  });
});

describe('a rule of a status', () => {
  const { explained } = recorded('auth-service');
  const ruleOf = (words: string, family: 'IPv4' | 'IPv6' = 'IPv4', from = explained): StatusRule => {
    const found = from.find(
      ({ chain, index }) => chain.family === family && (chain.rules[index]?.text ?? '').includes(words),
    );
    if (found === undefined) throw new Error(`no rule has ${words}`);
    return found.rule;
  };

  it('has the share of the connections that end behind it, and what the counters say', () => {
    const choice = ruleOf('-j KUBE-SEP-SBJQAPZWFGNNF6CH');
    expect(choice.share).toBeCloseTo(1 / 3);
    expect(choice.measured).toBeCloseTo(0.5);
    expect(choice.writer).toBe('writeServiceToEndpointRules in pkg/proxy/iptables/proxier.go');
    expect(choice.jumpsTo.map(({ name }) => name)).toEqual(['KUBE-SEP-SBJQAPZWFGNNF6CH']);
    expect(ruleOf('-j KUBE-SVC-FCQA5OQTFYIPVXUO').share).toBeCloseTo(1);
    expect(ruleOf('-j MASQUERADE')).toMatchObject({ countsAll: true, jumpsTo: [] });
    expect(ruleOf('-j MASQUERADE').share).toBeUndefined();
  });

  it('has the elements of a map, and jumps to the chains of them', () => {
    const lookup = ruleOf('vmap @service-ips');
    expect(lookup.lines.map(({ sentence }) => sentence)).toEqual([
      '10.96.2.60 . tcp . 80: go to chain service-HJCL7P3U-default/auth-service/tcp/http, which chooses an endpoint of default/auth-service:http, and do not come back to this chain.',
    ]);
    expect(lookup.jumpsTo.map(({ name }) => name)).toEqual(['map service-ips']);
    expect(lookup.share).toBeCloseTo(1);
    const element = ruleOf('10.96.2.60 . tcp . 80 : goto');
    expect(element.jumpsTo.map(({ name }) => name)).toEqual(['service-HJCL7P3U-default/auth-service/tcp/http']);
    const dnat = ruleOf('numgen random mod 3', 'IPv6');
    expect(dnat.lines.map(({ share }) => share)).toEqual([1 / 3, 1 / 3, 1 / 3]);
    expect(dnat.writer).toBe('writeServiceToEndpointDNATs in pkg/proxy/nftables/proxier.go');
    expect(ruleOf('vmap @no-endpoint-services').sentence).toMatch(
      /^All packets are looked up by .*, which holds nothing of this Service\.$/,
    );
    expect(ruleOf('goto endpoint-', 'IPv4', recorded('sticky').explained).writer).toBe(
      'writeServiceToEndpointJumps in pkg/proxy/nftables/proxier.go',
    );
  });

  it('of IPVS is a real server', () => {
    const chain: ChainStatus = {
      family: 'IPv4',
      table: 'ipvs',
      name: 'TCP 10.96.0.7:80',
      rules: [
        { text: '-> 10.244.1.2:8080 Masq 1', packets: 30, bytes: 60 },
        { text: '-> 10.244.2.2:8080 Masq 3', packets: 10, bytes: 60 },
        { text: '-> 10.244.3.2:8080 Masq 0', packets: 0, bytes: 0 },
      ],
    };
    const services: ChainStatus = {
      family: 'IPv4',
      table: 'nat',
      name: 'KUBE-SERVICES',
      rules: [
        { text: '-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT' },
        {
          text: '-A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ',
        },
      ],
    };
    const program: ProgramStatus = {
      fingerprint: 'a',
      proxyMode: 'ipvs',
      nodes: ['node-a'],
      chains: [chain, services],
    };
    const target = (address: string, probability: number): NodePortStatus['dnatTargets'][number] => ({
      address,
      port: 8080,
      probability,
    });
    const ports: NodePortStatus[] = [
      {
        family: 'IPv4',
        frontend: 'ClusterIP',
        address: '10.96.0.7',
        port: 80,
        protocol: 'TCP',
        verdict: 'DNAT',
        dnatTargets: [target('10.244.1.2', 0.25), target('10.244.2.2', 0.75)],
      },
    ];
    const explainer = explainStatusProgram(program, ipvsService, ports);
    expect(explainer.rule(chain, 1)).toMatchObject({
      sentence: '75.0 %: to 10.244.2.2:8080 (pod auth-2), by rewriting the destination (DNAT), weight 3.',
      share: 0.75,
      measured: 0.25,
      writer: 'syncEndpoint in pkg/proxy/ipvs/proxier.go',
    });
    expect(explainer.rule(chain, 2).sentence).toBe(
      '10.244.3.2:8080 gets no new connection (weight 0, it drains); those that it has go on.',
    );
    expect(explainer.rule(services, 0).writer).toBe('acceptIPVSTraffic in pkg/proxy/ipvs/proxier.go');
    expect(explainer.rule(services, 1)).toMatchObject({
      writer: 'writeIptablesRules in pkg/proxy/ipvs/proxier.go',
      sentence: expect.stringContaining('cluster IPs'),
    });
  });

  it('that nobody understands is shown as such, and has no writer where it is not kube-proxy', () => {
    const chain: ChainStatus = {
      family: 'IPv4',
      table: 'nat',
      name: 'PREROUTING',
      rules: [{ text: '-A PREROUTING -j DOCKER' }, { text: 'garbage' }],
    };
    const explainer = explainStatusProgram(
      { fingerprint: 'a', proxyMode: 'iptables', nodes: [], chains: [chain] },
      ipvsService,
      [],
    );
    expect(explainer.rule(chain, 0).writer).toBeUndefined();
    expect(explainer.rule(chain, 1)).toMatchObject({ sentence: 'not known: garbage', unknown: ['garbage'] });
  });
});
