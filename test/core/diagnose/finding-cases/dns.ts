/** Findings of DNS. */
import type { ClusterFacts } from '../../../../core/api/cluster-facts.ts';
import type { DnsAnswer } from '../../../../core/dns/answers.ts';
import { expectedAnswers, healthQuestion } from '../../../../core/dns/names.ts';
import { parseResolvConf } from '../../../../core/dns/resolv-conf.ts';
import type { DesiredService } from '../../../../core/api/service.ts';
import { collectedAt, desiredService, endpoint, nodeFacts } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const domain = 'cluster.local';
const vip = { server: '10.96.0.10', port: 53, role: 'Service' } as const;
const first = { server: '10.244.0.2', port: 53, role: 'Endpoint' } as const;
const second = { server: '10.244.1.9', port: 53, role: 'Endpoint' } as const;
type Server = Pick<DnsAnswer, 'server' | 'port' | 'role'>;

/** What a DNS that follows the API server answers to every question. */
function rightAnswers(desired: DesiredService, server: Server = vip): DnsAnswer[] {
  const about = expectedAnswers(desired, domain).map((expected): DnsAnswer => ({
    ...server,
    name: expected.name,
    type: expected.type,
    responseCode: 'NOERROR',
    answers:
      expected.kind === 'addresses'
        ? [...expected.addresses]
        : expected.kind === 'services'
          ? expected.services.map(({ port, targets }) => `0 100 ${String(port)} ${targets[0] ?? ''}`)
          : [],
    ...(expected.kind === 'alias' ? { alias: expected.target } : {}),
  }));
  const isEndpoint = server.role === 'Endpoint';
  return [
    { ...server, ...healthQuestion(domain), responseCode: 'NOERROR', answers: ['10.96.0.1'] },
    ...about.filter(({ type }) => !isEndpoint || type !== 'SRV'),
  ];
}

/** The same answers with those to one type of question changed. */
function changed(
  answers: readonly DnsAnswer[],
  which: (answer: DnsAnswer) => boolean,
  change: Partial<DnsAnswer>,
): DnsAnswer[] {
  return answers.map((answer) => (which(answer) ? { ...answer, ...change } : answer));
}

/** The same answers, and none to one type of question. */
function unanswered(answers: readonly DnsAnswer[], which: (answer: DnsAnswer) => boolean): DnsAnswer[] {
  const lost = ({ responseCode: _code, ...rest }: DnsAnswer): DnsAnswer => ({
    ...rest,
    answers: [],
    error: 'ETIMEOUT',
  });
  return answers.map((answer) => (which(answer) ? lost(answer) : answer));
}

function silent(server: Server): DnsAnswer[] {
  return [{ ...server, ...healthQuestion(domain), answers: [], error: 'ETIMEOUT' }];
}

const own = (type: DnsAnswer['type']) => (answer: DnsAnswer) =>
  answer.type === type && answer.name.includes('auth-service');
const responses = (dnsAnswers: readonly DnsAnswer[], node = 'node-a'): ReturnType<typeof nodeFacts> =>
  nodeFacts(node, { dnsAnswers });

const servers = [
  { address: first.server, port: 53, ready: true, pod: 'coredns-1' },
  { address: second.server, port: 53, ready: true, pod: 'coredns-2' },
];
const dns = (extra: Partial<NonNullable<ClusterFacts['dns']>> = {}): ClusterFacts => ({
  dns: { clusterIPs: ['10.96.0.10'], endpoints: 2, readyEndpoints: 2, servers, ...extra },
  unread: [],
});
const client = (extra: Partial<NonNullable<ClusterFacts['client']>>): ClusterFacts => ({
  ...dns(),
  client: {
    pod: 'client-a',
    labels: {},
    addresses: [],
    node: 'node-a',
    hostNetwork: false,
    dnsPolicy: 'ClusterFirst',
    ...extra,
  },
});

const plain = desiredService();
const single = desiredService(undefined, { clusterIPs: ['10.96.0.7', 'fd00:96::7'] });
const dual: DesiredService = {
  ...single,
  endpointSlices: [
    ...single.endpointSlices,
    {
      name: 'auth-service-6',
      addressType: 'IPv6',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints: [endpoint('fd00:244::2', { targetRef: { kind: 'Pod', name: 'auth-2', uid: 'uid-10.244.1.2' } })],
    },
  ],
};
const headless = desiredService([endpoint('10.244.1.2', { hostname: 'web-0' }), endpoint('10.244.2.2')], {
  clusterIPs: [],
  notProxied: 'it is headless (clusterIP: None)',
});
const changedNow = { ...headless, lastChange: collectedAt };
const alias = desiredService([], {
  type: 'ExternalName',
  clusterIPs: [],
  externalName: 'db.example.com',
  ports: [],
  notProxied: 'it is of type ExternalName, an alias in DNS',
});
const nodeConf = parseResolvConf('nameserver 192.0.2.53\nsearch example.com\n');

export const dnsCases: readonly FindingCase[] = [
  {
    name: 'DNS that answers everything right',
    facts: {
      desired: plain,
      nodes: [responses([...rightAnswers(plain), ...rightAnswers(plain, first), ...rightAnswers(plain, second)])],
      cluster: dns(),
    },
    ids: [],
  },
  { name: 'DNS of both families', facts: { desired: dual, nodes: [responses(rightAnswers(dual))] }, ids: [] },
  {
    name: 'DNS of a headless Service',
    facts: { desired: headless, nodes: [responses(rightAnswers(headless))] },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'DNS of an ExternalName',
    facts: { desired: alias, nodes: [responses(rightAnswers(alias))] },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'DNS of an ExternalName whose target cannot be had',
    facts: { desired: alias, nodes: [responses(changed(rightAnswers(alias), own('A'), { responseCode: 'SERVFAIL' }))] },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'DNS with another address',
    facts: { desired: plain, nodes: [responses(changed(rightAnswers(plain), own('A'), { answers: ['10.96.0.8'] }))] },
    ids: ['DNS-WRONG-IP'],
  },
  {
    name: 'DNS with an address of a family too many',
    facts: {
      desired: plain,
      nodes: [responses(changed(rightAnswers(plain), own('AAAA'), { answers: ['fd00:96::8'] }))],
    },
    ids: ['DNS-WRONG-IP'],
  },
  {
    name: 'DNS with another alias',
    facts: { desired: alias, nodes: [responses(changed(rightAnswers(alias), own('A'), { alias: 'old.example.com' }))] },
    ids: ['DNS-WRONG-IP', 'SVC-NOT-PROXIED'],
  },
  {
    name: 'DNS that does not know the name',
    facts: {
      desired: plain,
      nodes: [
        responses(
          changed(rightAnswers(plain), ({ name }) => name.includes('auth-service'), {
            answers: [],
            responseCode: 'NXDOMAIN',
          }),
        ),
      ],
    },
    ids: ['DNS-NXDOMAIN'],
  },
  {
    name: 'DNS without the record of one family',
    facts: { desired: dual, nodes: [responses(changed(rightAnswers(dual), own('AAAA'), { answers: [] }))] },
    ids: ['DNS-NXDOMAIN'],
  },
  {
    name: 'DNS without the name of a pod',
    facts: {
      desired: headless,
      nodes: [
        responses(
          changed(rightAnswers(headless), ({ name }) => name.startsWith('web-0.'), {
            answers: [],
            responseCode: 'NXDOMAIN',
          }),
        ),
      ],
    },
    ids: ['DNS-NXDOMAIN', 'SVC-NOT-PROXIED'],
  },
  {
    name: 'DNS that does not know a Service of half a minute ago',
    facts: {
      desired: { ...plain, serviceChange: '2026-11-24T09:59:30Z' },
      nodes: [
        responses(
          changed(rightAnswers(plain), ({ name }) => name.includes('auth-service'), {
            answers: [],
            responseCode: 'NXDOMAIN',
          }),
        ),
      ],
    },
    ids: [],
  },
  {
    name: 'DNS that still has the address of the Service of before',
    facts: {
      desired: { ...plain, serviceChange: '2026-11-24T09:59:55Z' },
      nodes: [
        responses([
          ...changed(rightAnswers(plain), own('A'), { answers: ['10.96.0.8'] }),
          ...rightAnswers(plain, first),
        ]),
      ],
      cluster: dns(),
    },
    ids: [],
  },
  {
    name: 'DNS that does not understand a question',
    facts: {
      desired: plain,
      nodes: [
        responses([
          ...changed(rightAnswers(plain), own('SRV'), { answers: [], responseCode: 'FORMERR' }),
          ...rightAnswers(plain, first),
          ...rightAnswers(plain, second),
        ]),
      ],
      cluster: dns(),
    },
    ids: [],
  },
  {
    name: 'DNS that understands no question',
    facts: {
      desired: plain,
      nodes: [responses(changed(rightAnswers(plain), () => true, { answers: [], responseCode: 'FORMERR' }))],
    },
    ids: ['DNS-DOWN'],
  },
  {
    name: 'DNS that leaves one question unanswered',
    facts: {
      desired: plain,
      nodes: [
        responses([
          ...unanswered(rightAnswers(plain), own('SRV')),
          ...rightAnswers(plain, first),
          ...rightAnswers(plain, second),
        ]),
      ],
      cluster: dns(),
    },
    ids: ['DNS-DOWN'],
  },
  {
    name: 'DNS that still holds what has just changed',
    facts: {
      desired: changedNow,
      nodes: [responses(changed(rightAnswers(headless), own('A'), { answers: ['10.244.9.9'] }))],
    },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'DNS with another port of SRV',
    facts: {
      desired: plain,
      nodes: [
        responses(
          changed(rightAnswers(plain), own('SRV'), { answers: ['0 100 81 auth-service.default.svc.cluster.local'] }),
        ),
      ],
    },
    ids: ['DNS-SRV'],
  },
  {
    name: 'DNS without a record of SRV',
    facts: {
      desired: plain,
      nodes: [responses(changed(rightAnswers(plain), own('SRV'), { answers: [], responseCode: 'NXDOMAIN' }))],
    },
    ids: ['DNS-SRV'],
  },
  {
    name: 'DNS whose servers do answer',
    facts: {
      desired: plain,
      nodes: [responses([...silent(vip), ...rightAnswers(plain, first), ...rightAnswers(plain, second)])],
      cluster: dns(),
    },
    ids: ['DNS-DOWN'],
  },
  {
    name: 'DNS that does not answer at all',
    facts: {
      desired: plain,
      nodes: [responses([...silent(vip), ...silent(first), ...silent(second)])],
      cluster: dns(),
    },
    ids: ['DNS-DOWN'],
  },
  {
    name: 'DNS that fails',
    facts: {
      desired: plain,
      nodes: [responses(changed(rightAnswers(plain), () => true, { answers: [], responseCode: 'SERVFAIL' }))],
    },
    ids: ['DNS-DOWN'],
  },
  {
    name: 'a server of DNS that does not answer',
    facts: {
      desired: plain,
      nodes: [responses([...rightAnswers(plain), ...silent(first), ...rightAnswers(plain, second)])],
      cluster: dns(),
    },
    ids: ['DNS-SERVER'],
  },
  {
    name: 'a server of DNS that answers otherwise',
    facts: {
      desired: plain,
      nodes: [
        responses([
          ...rightAnswers(plain),
          ...changed(rightAnswers(plain, first), own('A'), { answers: ['10.96.0.8'] }),
          ...rightAnswers(plain, second),
        ]),
      ],
      cluster: dns(),
    },
    ids: ['DNS-SERVER'],
  },
  {
    name: 'a server of DNS that is gone by now',
    facts: {
      desired: plain,
      nodes: [responses([...rightAnswers(plain), ...silent(first), ...rightAnswers(plain, second)])],
      cluster: dns({ servers: servers.slice(1) }),
    },
    ids: [],
  },
  {
    name: 'servers of DNS that a node may not ask, behind a cache',
    facts: {
      desired: plain,
      nodes: [responses([...rightAnswers(plain), ...silent(first), ...silent(second)])],
      cluster: dns(),
    },
    ids: [],
  },
  {
    name: 'a client of dnsPolicy ClusterFirst',
    facts: { desired: plain, nodes: [responses(rightAnswers(plain))], cluster: client({}) },
    ids: [],
  },
  {
    name: 'a client of dnsPolicy Default',
    facts: {
      desired: plain,
      nodes: [nodeFacts('node-a', { resolvConf: nodeConf })],
      cluster: client({ dnsPolicy: 'Default' }),
    },
    ids: ['DNS-POLICY'],
  },
  {
    name: "a client of dnsPolicy Default on a node that asks the cluster's DNS",
    facts: {
      desired: plain,
      nodes: [nodeFacts('node-a', { resolvConf: parseResolvConf('nameserver 10.96.0.10') })],
      cluster: client({ dnsPolicy: 'Default' }),
    },
    ids: [],
  },
  {
    name: "a client of dnsPolicy ClusterFirst in its node's network",
    facts: { desired: plain, nodes: [nodeFacts()], cluster: client({ hostNetwork: true }) },
    ids: ['DNS-POLICY'],
  },
  {
    name: 'a client of dnsPolicy None with another server',
    facts: {
      desired: plain,
      nodes: [nodeFacts()],
      cluster: client({
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['192.0.2.1'], searches: ['default.svc.cluster.local'], options: [] },
      }),
    },
    ids: ['DNS-SEARCH'],
  },
  {
    name: 'a client of dnsPolicy None without a search path',
    facts: {
      desired: plain,
      nodes: [nodeFacts()],
      cluster: client({ dnsPolicy: 'None', dnsConfig: { nameservers: ['10.96.0.10'], searches: [], options: [] } }),
    },
    ids: ['DNS-SEARCH'],
  },
  {
    name: 'a client whose resolv.conf, read in it, names another server',
    facts: {
      desired: plain,
      nodes: [nodeFacts()],
      cluster: client({
        resolvConf:
          'nameserver 10.0.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n',
      }),
    },
    ids: ['DNS-SEARCH'],
  },
  {
    name: 'a client whose resolv.conf, read in it, names a cache on its node',
    facts: {
      desired: plain,
      nodes: [nodeFacts()],
      cluster: client({ resolvConf: 'nameserver 169.254.20.10\nsearch default.svc.cluster.local\n' }),
    },
    ids: [],
  },
];
