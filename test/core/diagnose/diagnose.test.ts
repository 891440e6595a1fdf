import { describe, expect, it } from 'vitest';
import { catalogue, topicOf } from '../../../core/diagnose/catalogue.ts';
import { diagnose } from '../../../core/diagnose/diagnose.ts';
import {
  collectedAt,
  desiredService,
  frontend,
  nodeFacts,
  nodeProgram,
  waitingKubeProxy,
} from '../../support/node-facts.ts';
import { ipvsCases } from '../../support/ipvs-cases.ts';
import { iptablesMutations, nftablesMutations } from '../../support/rule-mutations.ts';
import { findingCases } from './finding-cases/all.ts';

/** By what the ids of a topic begin with. */
const topics: Readonly<Record<string, string>> = {
  SVC: 'service',
  EPS: 'endpoints',
  POD: 'pods',
  NODE: 'nodes',
  NP: 'network-policies',
  DNS: 'dns',
  KP: 'kube-proxy',
  RULE: 'rules',
  IPVS: 'rules',
  CT: 'conntrack',
  SYS: 'kernel-settings',
  HCNP: 'health-checks',
  LAT: 'latency',
  PROBE: 'connections',
  DATA: 'data',
};

it.each(catalogue)('$id has the topic that its id says', ({ id, topic }) => {
  expect(topicOf(id)).toBe(topic);
  expect(topic).toBe(topics[id.split('-')[0] ?? '']);
});

it('has no topic for an id of another version', () => {
  expect(topicOf('RULE-OF-TOMORROW')).toBeUndefined();
});

describe('diagnose', () => {
  it.each(findingCases)('$name gives $ids', ({ facts, ids, severities, where }) => {
    const found = diagnose({ now: collectedAt, ...facts });
    expect(found.map(({ id }) => id)).toEqual(ids);
    if (where !== undefined) expect(found.map((finding) => finding.where)).toEqual(where);
    if (severities !== undefined) expect(found.map(({ severity }) => severity)).toEqual(severities);
  });

  it('counts one thing in the singular, and says what one node does', () => {
    const texts = findingCases.flatMap(({ facts }) =>
      diagnose({ now: collectedAt, ...facts }).flatMap(({ message, evidence, advice }) => [
        message,
        advice,
        ...evidence,
      ]),
    );
    const isWrong = (text: string): boolean =>
      /(?<![\w.:/%-])1 (?:more |ready |active |terminating |TCP |UDP )?(?:endpoints|pods|nodes|connections|entries|packets|rules|changes|requests|Services|EndpointSlices|addresses|seconds)\b/.test(
        text,
      ) || /(?:^|[.;:] |\band |\bso )(?:node|pod)-[a-z0-9]+ (?:still )?(?:are|were|have|do|send)\b/.test(text);
    expect(isWrong('1 endpoints') && isWrong('x got SIGTERM, and node-c still send new')).toBe(true);
    expect(isWrong('node-a, node-c still send') || isWrong('11 endpoints')).toBe(false);
    expect([...new Set(texts)].filter(isWrong)).toEqual([]);
  });

  it('has a case for every severity that a kind may have beside its own', () => {
    const shown = new Set(
      findingCases.flatMap(({ ids, severities = [] }) =>
        severities.map((severity, index) => `${ids[index] ?? ''} ${severity}`),
      ),
    );
    expect(
      catalogue
        .flatMap(({ id, severity, otherSeverities }) =>
          otherSeverities === undefined
            ? []
            : [severity, ...Object.keys(otherSeverities)].map((each) => `${id} ${each}`),
        )
        .filter((each) => !shown.has(each)),
    ).toEqual([]);
  });

  it('has a case for every kind of the catalogue', () => {
    // Those of rule-mutations.ts are judged in rule-findings.test.ts, those of the IPVS mode in ipvs-findings.test.ts.
    const shown = new Set(
      [...findingCases, ...iptablesMutations, ...nftablesMutations, ...ipvsCases].flatMap(({ ids }) => ids),
    );
    expect(catalogue.map(({ id }) => id).filter((id) => !shown.has(id))).toEqual([]);
    expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length);
  });

  it.each([
    ['CT-UDP-STALE'],
    ['CT-UDP-NOEP'],
    ['CT-UDP-UNNATTED'],
    ['CT-TCP-ESTABLISHED-GONE'],
    ['HCNP'],
    ['LAT-NEVER'],
    ['KP-API-ERRORS'],
    ['PROBE-FAIL-RULES'],
    ['RULE-EP-STALE'],
  ])('reports no %s while kube-proxy waits for its minSyncPeriod', (id) => {
    const shown = findingCases.find(({ ids }) => ids.includes(id))?.facts;
    if (shown === undefined) throw new Error(`no case gives ${id}`);
    const foundAfter = (seconds: number, minSyncPeriod: string): boolean => {
      const desired = {
        ...shown.desired,
        lastChange: new Date(Date.parse(collectedAt) - seconds * 1000).toISOString(),
      };
      return diagnose({
        now: collectedAt,
        ...shown,
        desired,
        cluster: { unread: [], ...shown.cluster, kubeProxy: waitingKubeProxy(minSyncPeriod) },
      }).some((finding) => finding.id === id);
    };
    expect([foundAfter(25, '1s'), foundAfter(25, '20s'), foundAfter(35, '20s')]).toEqual([true, false, true]);
  });

  it('names the node, the endpoint and the evidence of a missing endpoint', () => {
    const [finding] = diagnose({
      desired: desiredService(),
      nodes: [nodeFacts('node-a', { program: nodeProgram([frontend(['10.244.1.2'])]) })],
      now: collectedAt,
    });
    expect(finding).toMatchObject({ severity: 'error', node: 'node-a', where: 'node/node-a' });
    expect(finding?.message).toContain('10.244.2.2:8080 (pod auth-2 on node-b)');
    expect(finding?.evidence).toContain('the rules of node-a have: 10.244.1.2:8080');
  });
});

/** The facts of a case with another address in the place of one. */
function withAddress(name: string, address: string, other: string): Parameters<typeof diagnose>[0] {
  const facts = findingCases.find((each) => each.name === name)?.facts;
  if (facts === undefined) throw new Error(`there is no case ${name}`);
  return JSON.parse(JSON.stringify({ now: collectedAt, ...facts }).replaceAll(`"${address}"`, `"${other}"`)) as never;
}

it.each([
  ['connections that an endpoint does not answer', 'CT-TCP-UNANSWERED', '10.244.1.2', 'no answer of [fd00::2]:8080,'],
  ['a health check that answers without an endpoint', 'HCNP', '127.0.0.1', 'http://[fd00::2]:30900/ answers 200'],
])('writes an IPv6 address with its port in brackets: %s', (name, id, address, text) => {
  const [finding] = diagnose(withAddress(name, address, 'fd00::2')).filter((each) => each.id === id);
  expect([finding?.message, ...(finding?.evidence ?? [])].join('\n')).toContain(text);
});
