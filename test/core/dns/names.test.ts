import { describe, expect, it } from 'vitest';
import { readDnsAnswers } from '../../../core/dns/answers.ts';
import { expectedAnswers } from '../../../core/dns/names.ts';
import { askedNames, ndotsOf, parseResolvConf } from '../../../core/dns/resolv-conf.ts';
import { podResolvConf } from '../../../core/dns/pod-resolv-conf.ts';
import { desiredService, endpoint } from '../../support/node-facts.ts';

describe('expectedAnswers', () => {
  it('gives a Service its addresses of each family, and its named ports', () => {
    expect(
      expectedAnswers(desiredService(undefined, { clusterIPs: ['fd00::7', '10.96.0.7'] }), 'cluster.local'),
    ).toEqual([
      { name: 'auth-service.default.svc.cluster.local', type: 'A', kind: 'addresses', addresses: ['10.96.0.7'] },
      { name: 'auth-service.default.svc.cluster.local', type: 'AAAA', kind: 'addresses', addresses: ['fd00::7'] },
      {
        name: '_http._tcp.auth-service.default.svc.cluster.local',
        type: 'SRV',
        kind: 'services',
        services: [{ port: 80, targets: ['auth-service.default.svc.cluster.local'] }],
      },
    ]);
  });

  it("gives a headless Service its ready endpoints, their ports, and its pods' names", () => {
    const endpoints = [
      endpoint('10.244.1.2', { hostname: 'web-0' }),
      endpoint('10.244.1.3', { ready: false, hostname: 'web-1' }),
      endpoint('10.244.1.4'),
    ];
    const name = 'auth-service.default.svc.cluster.local';
    expect(expectedAnswers(desiredService(endpoints, { clusterIPs: [] }), 'cluster.local')).toEqual([
      { name, type: 'A', kind: 'addresses', addresses: ['10.244.1.2', '10.244.1.4'] },
      { name, type: 'AAAA', kind: 'addresses', addresses: [] },
      {
        name: `_http._tcp.${name}`,
        type: 'SRV',
        kind: 'services',
        services: [
          { port: 8080, targets: [`web-0.${name}`, `auth-2.${name}`, `10-244-1-2.${name}`] },
          { port: 8080, targets: [`auth-4.${name}`, `10-244-1-4.${name}`] },
        ],
      },
      { name: `web-0.${name}`, type: 'A', kind: 'addresses', addresses: ['10.244.1.2'] },
    ]);
  });

  it.each([
    [62, true],
    [63, false],
  ])('asks for the SRV record of a port whose name has %i letters: %s', (length, isAsked) => {
    const ports = [{ name: 'p'.repeat(length), protocol: 'TCP' as const, port: 80 }];
    const asked = expectedAnswers(desiredService(undefined, { ports }), 'cluster.local').map(({ type }) => type);
    expect(asked).toEqual(isAsked ? ['A', 'AAAA', 'SRV'] : ['A', 'AAAA']);
  });

  it('gives an ExternalName its alias, and nothing to one that names an address', () => {
    const external = (externalName: string): unknown =>
      expectedAnswers(desiredService([], { type: 'ExternalName', clusterIPs: [], externalName }), 'cluster.local');
    expect(external('DB.example.com.')).toEqual([
      { name: 'auth-service.default.svc.cluster.local', type: 'A', kind: 'alias', target: 'db.example.com' },
    ]);
    expect(external('192.0.2.7')).toEqual([]);
  });
});

it('reads what an earlier version recorded of DNS', () => {
  const record = {
    kind: 'dns',
    service: 'a/b',
    name: 'b.a.svc.cluster.local',
    server: '10.96.0.10',
    answers: ['10.96.0.7', 'fd00::7'],
  } as const;
  const read = (extra: object): unknown =>
    readDnsAnswers(
      { node: 'n', complete: true, records: [{ ...record, ...extra, answers: [...record.answers] }] },
      'a/b',
    );
  expect(read({})).toMatchObject([
    { type: 'A', answers: ['10.96.0.7'], responseCode: 'NOERROR' },
    { type: 'AAAA', answers: ['fd00::7'], responseCode: 'NOERROR' },
  ]);
  expect(read({ error: 'ENOTFOUND' })).toMatchObject([{ responseCode: 'NXDOMAIN' }, { responseCode: 'NXDOMAIN' }]);
  expect(read({ error: 'ETIMEOUT' })).toMatchObject([{ error: 'ETIMEOUT' }, { error: 'ETIMEOUT' }]);
});

describe('resolv.conf', () => {
  const conf = parseResolvConf(
    '# by the kubelet\nsearch default.svc.cluster.local. svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5 edns0\n',
  );

  it('is read', () => {
    expect(conf).toEqual({
      nameservers: ['10.96.0.10'],
      searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      options: ['ndots:5', 'edns0'],
    });
    expect(ndotsOf(conf)).toBe(5);
    expect(ndotsOf(parseResolvConf('options ndots:99'))).toBe(15);
    expect(ndotsOf(parseResolvConf(''))).toBe(1);
  });

  it.each([
    ['auth', ['auth.default.svc.cluster.local', 'auth.svc.cluster.local', 'auth.cluster.local', 'auth']],
    [
      'auth.default.svc.cluster.local',
      [
        'auth.default.svc.cluster.local.default.svc.cluster.local',
        'auth.default.svc.cluster.local.svc.cluster.local',
        'auth.default.svc.cluster.local.cluster.local',
        'auth.default.svc.cluster.local',
      ],
    ],
    [
      'a.b.c.d.e.f',
      [
        'a.b.c.d.e.f',
        'a.b.c.d.e.f.default.svc.cluster.local',
        'a.b.c.d.e.f.svc.cluster.local',
        'a.b.c.d.e.f.cluster.local',
      ],
    ],
    ['example.com.', ['example.com']],
  ])('makes of %s', (name, names) => {
    expect(askedNames(conf, name)).toEqual(names);
  });
});

describe('podResolvConf', () => {
  const node = parseResolvConf('nameserver 192.0.2.53\nsearch example.com\noptions edns0');
  const pod = { pod: 'client', namespace: 'shop', hostNetwork: false };
  const of = (facts: object, known: typeof node | undefined = node): unknown =>
    podResolvConf({ ...pod, ...facts }, ['10.96.0.10'], 'cluster.local', known);

  it.each([
    [
      { dnsPolicy: 'ClusterFirst' },
      {
        base: 'cluster',
        nameservers: ['10.96.0.10'],
        searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com'],
        options: ['ndots:5'],
      },
    ],
    [
      { dnsPolicy: 'ClusterFirst', hostNetwork: true },
      { base: 'node', nameservers: ['192.0.2.53'], searches: ['example.com'], options: ['edns0'] },
    ],
    [
      { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true },
      { base: 'cluster', nameservers: ['10.96.0.10'] },
    ],
    [{ dnsPolicy: 'Default' }, { base: 'node', nameservers: ['192.0.2.53'] }],
    [
      { dnsPolicy: 'None', dnsConfig: { nameservers: ['10.0.0.1'], searches: ['a.'], options: ['ndots:2'] } },
      { base: 'none', nameservers: ['10.0.0.1'], searches: ['a'], options: ['ndots:2'], isPartial: false },
    ],
    [
      {
        dnsPolicy: 'ClusterFirst',
        dnsConfig: {
          nameservers: ['10.96.0.10', '1.1.1.1'],
          searches: ['svc.cluster.local', 'corp'],
          options: ['ndots:2', 'edns0'],
        },
      },
      {
        nameservers: ['10.96.0.10', '1.1.1.1'],
        searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com', 'corp'],
        options: ['ndots:2', 'edns0'],
      },
    ],
  ])('of %j', (facts, expected) => {
    expect(of(facts)).toMatchObject(expected);
  });

  it("says where the node's own part is not known", () => {
    expect(podResolvConf({ ...pod, dnsPolicy: 'Default' }, ['10.96.0.10'], 'cluster.local', undefined)).toMatchObject({
      base: 'node',
      isPartial: true,
      nameservers: [],
    });
  });
});
