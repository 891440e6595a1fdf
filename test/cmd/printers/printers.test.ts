/** Whole screens, as text files: what a user sees. */
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { printColumns } from '../../../cmd/tables/columns.ts';
import { createPaint, wantsColor } from '../../../cmd/tables/paint.ts';
import { printTrace } from '../../../cmd/printers/print.ts';
import { cell } from '../../../cmd/tables/tone.ts';
import { percentText } from '../../../cmd/tables/words.ts';
import { parseServiceTrace } from '../../../core/api/parse-service-trace.ts';
import type { ServiceTrace } from '../../../core/api/service-trace.ts';
import { disagreeingTrace, exampleTrace, nodeA, withStatus } from '../../support/example-trace.ts';

/** More nodes than fit side by side. */
const manyNodes: ServiceTrace = withStatus({
  nodes: Array.from({ length: 12 }, (_, index) => ({ ...nodeA, name: `worker-${index + 1}` })),
});
const notYet: ServiceTrace = { ...exampleTrace, status: {} };
const walked: ServiceTrace = withStatus({
  walks: [
    {
      node: 'node-a',
      source: '10.244.1.9',
      destination: '10.96.216.123',
      destinationPort: 80,
      protocol: 'TCP',
      verdict: 'DNAT',
      masquerade: false,
      destinations: [
        { address: '10.244.1.3', port: 8080, probability: 0.5 },
        { address: '10.244.2.4', port: 8080, probability: 0.5 },
      ],
      path: [
        {
          table: 'nat',
          chain: 'KUBE-SERVICES',
          rule: '-A KUBE-SERVICES -d 10.96.216.123/32 -j KUBE-SVC-MUEJEZ6DR7OLMVAV',
          effect: 'jump to KUBE-SVC-MUEJEZ6DR7OLMVAV',
        },
      ],
      unknown: ['-m recent --rcheck'],
    },
  ],
});

const screens: [string, ServiceTrace, number, 'table' | 'wide'][] = [
  ['table-80', exampleTrace, 80, 'table'],
  ['table-120', exampleTrace, 120, 'table'],
  ['wide', exampleTrace, 80, 'wide'],
  ['many-nodes-80', manyNodes, 80, 'table'],
  ['walk-80', walked, 80, 'table'],
  ['no-status-80', notYet, 80, 'table'],
];

describe('table', () => {
  it.each(screens)('%s', async (name, trace, width, format) => {
    const text = printTrace(trace, format, { width, useColor: false });
    await expect(text).toMatchFileSnapshot(`screens/${name}.txt`);
    expect(text).not.toContain('\u001b');
    if (format === 'table')
      for (const line of text.split('\n')) expect(stringWidth(line), line).toBeLessThanOrEqual(width);
  });

  it('shows in wide what the sources disagree on, and that they do not', () => {
    const wide = (trace: ServiceTrace): string => printTrace(trace, 'wide', { width: 100, useColor: false });
    const section = wide(disagreeingTrace)
      .split('\n\n')
      .find((each) => each.startsWith('Comparison'));
    expect(section?.split('\n')).toEqual([
      'Comparison  EndpointSlices, pods, rules or conntrack disagree on 5 addresses',
      'ADDRESS          SERVICE PORT      ENDPOINT     POD                                  ON NODES  CONNTRACK',
      '10.244.2.4:8080  http 80/TCP IPv4  ready        auth-service-5995955cd8-kbz6c             2/3          4',
      '    node-a should send packets there, and does not',
      '10.244.9.9:8080  http 80/TCP IPv4  in no slice  -                              1/2, 1 unknown          -',
      '    no EndpointSlice has it',
      '    node-a sends packets there, and should not',
      '3 more are not listed',
      'node-a differs: packets of clients outside keep their source; on 2 other nodes: they get another one',
    ]);
    expect(wide(withStatus({ comparison: { rows: [], omitted: 0, outliers: [] } }))).toContain(
      'Comparison  EndpointSlices, pods, rules and conntrack contradict each other nowhere, as far as they were read',
    );
    expect(printTrace(disagreeingTrace, 'table', { width: 100, useColor: false })).not.toContain('Comparison');
  });

  it('says the same with colour', () => {
    const colored = printTrace(exampleTrace, 'table', { width: 80, useColor: true });
    expect(colored).toContain('\u001b[31m');
    expect(stripVTControlCharacters(colored)).toBe(printTrace(exampleTrace, 'table', { width: 80, useColor: false }));
  });
});

describe('machine formats', () => {
  it('json is the object, apiVersion first', () => {
    const text = printTrace(exampleTrace, 'json', { width: 80, useColor: false });
    expect(text.startsWith('{\n    "apiVersion": "svctrace.io/v1alpha1",\n    "kind": "ServiceTrace",')).toBe(true);
    expect(parseServiceTrace(JSON.parse(text))).toEqual(exampleTrace);
  });

  it('yaml holds the same', () => {
    expect(parseServiceTrace(parse(printTrace(exampleTrace, 'yaml', { width: 80, useColor: false })))).toEqual(
      exampleTrace,
    );
  });

  it('hides managedFields, as kubectl does', () => {
    const managed = parseServiceTrace({
      ...exampleTrace,
      metadata: { ...exampleTrace.metadata, managedFields: [{ manager: 'x' }] },
    });
    expect(printTrace(managed, 'json', { width: 80, useColor: false })).not.toContain('managedFields');
  });

  it('name is what kubectl takes', () => {
    expect(printTrace(exampleTrace, 'name', { width: 80, useColor: false })).toBe(
      'servicetrace.svctrace.io/auth-service-x7k2p\n',
    );
  });
});

describe('colour', () => {
  it.each([
    ['auto on a terminal', 'auto', true, {}, true],
    ['auto in a pipe', 'auto', false, {}, false],
    ['NO_COLOR', 'auto', true, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR is none', 'auto', true, { NO_COLOR: '' }, true],
    ['a dumb terminal', 'auto', true, { TERM: 'dumb' }, false],
    ['always wins over NO_COLOR', 'always', false, { NO_COLOR: '1' }, true],
    ['never', 'never', true, {}, false],
  ] as const)('%s', (_name, mode, isTerminal, env, expected) => {
    expect(wantsColor(mode, isTerminal, env)).toBe(expected);
  });
});

it('columns are cut where they may be, and wide characters count as two', () => {
  const columns = [
    { title: 'NAME', least: 6, cut: 'middle' as const },
    { title: 'N', align: 'right' as const },
  ];
  const rows = [
    [cell('日本語の名前'), cell('1')],
    [cell('auth-service-5995'), cell('22')],
  ];
  expect(printColumns(columns, rows, { width: 14, paint: createPaint(false) })).toEqual([
    'NAME         N',
    '日本…名前    1',
    'auth-…5995  22',
  ]);
});

it('a share of something is not shown as none', () => {
  expect([undefined, 0, 0.0002, 0.0005, 1 / 3, 1].map(percentText)).toEqual([
    'unknown',
    '0.0%',
    '<0.1%',
    '0.1%',
    '33.3%',
    '100.0%',
  ]);
});
