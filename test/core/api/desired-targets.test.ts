import { describe, expect, it } from 'vitest';
import { desiredTargets } from '../../../core/api/desired-targets.ts';
import type { EndpointStatus } from '../../../core/api/service-trace.ts';
import type { DesiredService } from '../../../core/api/service.ts';
import { desiredService as service, endpoint } from '../../support/node-facts.ts';

const http = { family: 'IPv4', portName: 'http', protocol: 'TCP' } as const;

const gone = { ready: false, serving: true, terminating: true };
const notReady = { ready: false, serving: false };

/** name, endpoints, Service, node, zone, addresses expected. */
const cases: [string, EndpointStatus[], Partial<DesiredService['service']>, string, string | undefined, string[]][] = [
  [
    'ready endpoints of all nodes',
    [endpoint('1.1.1.1'), endpoint('1.1.1.2', { nodeName: 'node-b' })],
    {},
    'node-a',
    undefined,
    ['1.1.1.1', '1.1.1.2'],
  ],
  [
    'no endpoint that is not ready',
    [endpoint('1.1.1.1'), endpoint('1.1.1.2', notReady)],
    {},
    'node-a',
    undefined,
    ['1.1.1.1'],
  ],
  [
    'no terminating one while one is ready',
    [endpoint('1.1.1.1'), endpoint('1.1.1.2', gone)],
    {},
    'node-a',
    undefined,
    ['1.1.1.1'],
  ],
  [
    'serving and terminating ones where none is ready',
    [endpoint('1.1.1.1', notReady), endpoint('1.1.1.2', gone)],
    {},
    'node-a',
    undefined,
    ['1.1.1.2'],
  ],
  [
    'Local: those on the node',
    [endpoint('1.1.1.1'), endpoint('1.1.1.2', { nodeName: 'node-b' })],
    { internalTrafficPolicy: 'Local' },
    'node-b',
    undefined,
    ['1.1.1.2'],
  ],
  [
    'Local without one on the node: none',
    [endpoint('1.1.1.1')],
    { internalTrafficPolicy: 'Local' },
    'node-b',
    undefined,
    [],
  ],
  [
    'hints for the zone',
    [endpoint('1.1.1.1', { hints: ['z1'] }), endpoint('1.1.1.2', { hints: ['z2'] })],
    {},
    'node-a',
    'z2',
    ['1.1.1.2'],
  ],
  [
    'hints count only where all ready ones have one',
    [endpoint('1.1.1.1', { hints: ['z1'] }), endpoint('1.1.1.2')],
    {},
    'node-a',
    'z1',
    ['1.1.1.1', '1.1.1.2'],
  ],
  [
    'hints for another zone alone do not count',
    [endpoint('1.1.1.1', { hints: ['z1'] })],
    {},
    'node-a',
    'z9',
    ['1.1.1.1'],
  ],
  [
    'node hints before zone hints',
    [
      endpoint('1.1.1.1', { hints: ['z1'], nodeHints: ['node-a'] }),
      endpoint('1.1.1.2', { hints: ['z1'], nodeHints: ['node-b'] }),
    ],
    {},
    'node-b',
    'z1',
    ['1.1.1.2'],
  ],
  ['an endpoint in two slices once', [endpoint('1.1.1.1'), endpoint('1.1.1.1')], {}, 'node-a', undefined, ['1.1.1.1']],
];

describe('desiredTargets', () => {
  it.each(cases)('%s', (_name, endpoints, spec, node, zone, expected) => {
    const scope = { node, traffic: 'internal' as const, ...(zone === undefined ? {} : { zone }) };
    expect(desiredTargets(service(endpoints, spec), http, scope).map(({ address }) => address)).toEqual(expected);
  });

  it('leaves out slices of another family and ports of another name', () => {
    const desired = service([endpoint('1.1.1.1')]);
    expect(desiredTargets(desired, { ...http, family: 'IPv6' }, { node: 'node-a', traffic: 'internal' })).toEqual([]);
    expect(desiredTargets(desired, { ...http, portName: 'metrics' }, { node: 'node-a', traffic: 'internal' })).toEqual(
      [],
    );
  });
});
