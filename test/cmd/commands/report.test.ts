/** The page that `report` writes: what it says, how it is built, and that nothing from a cluster can become a part of it. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse, type DefaultTreeAdapterMap } from 'parse5';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { UsageError } from '../../../cmd/cli/errors.ts';
import { printReportPage } from '../../../cmd/pages/report-page.tsx';
import { reportStyle } from '../../../cmd/pages/report-style.ts';
import { visibleText } from '../../../core/lib/visible.ts';
import { buildReport, type ReportContent } from '../../../cmd/pages/report-content.ts';
import { runReport } from '../../../cmd/commands/report.ts';
import { writeNewFile } from '../../../cmd/cli/write-new-file.ts';
import { endpointSlicesTable, nodesTable, targetsByNode } from '../../../cmd/tables/result-tables.ts';
import { marks } from '../../../cmd/tables/tone.ts';
import { pathsOf } from '../../../cmd/tables/path-table.ts';
import { printBundle, type Bundle } from '../../../core/wire/bundle.ts';
import type { NodeReportRecord } from '../../../core/wire/node-report.ts';
import { testIo } from '../../support/fake-cluster.ts';
import { bundleNames, driftedBundle, fixture, recordedBundle } from '../../support/drifted-bundle.ts';

type Node = DefaultTreeAdapterMap['node'];
type Element = DefaultTreeAdapterMap['element'];

const written = { writtenAt: '2026-11-24T12:27:30Z', writtenBy: '9.9.9' };

async function pageOf(bundle: Bundle): Promise<string> {
  return printReportPage(await buildReport(bundle, written));
}

function elementsOf(node: Node): Element[] {
  const own = 'tagName' in node ? [node] : [];
  return 'childNodes' in node ? [...own, ...node.childNodes.flatMap(elementsOf)] : own;
}

function textOf(node: Node): string {
  if (node.nodeName === '#text' && 'value' in node) return node.value;
  return 'childNodes' in node ? node.childNodes.map(textOf).join('') : '';
}

function attribute({ attrs }: Element, name: string): string | undefined {
  return attrs.find((each) => each.name === name)?.value;
}

/** Each element with the names of its attributes, in order: what text cannot change. */
function skeleton(page: string): string[] {
  return elementsOf(parse(page)).map(({ tagName, attrs }) => `${tagName} ${attrs.map(({ name }) => name).join(' ')}`);
}

function sectionText(page: string, id: string): string {
  const section = elementsOf(parse(page)).find((element) => attribute(element, 'id') === id);
  if (section === undefined) throw new Error(`the page has no section ${id}`);
  return textOf(section);
}

describe('the page', () => {
  it('says by one mark what each colour says', async () => {
    const toned = elementsOf(parse(await pageOf(driftedBundle()))).flatMap((element) => {
      const tone = (['ok', 'warning', 'error'] as const).find((each) => attribute(element, 'class') === each);
      return tone === undefined || element.tagName !== 'span' ? [] : [{ tone, text: textOf(element) }];
    });
    expect(new Set(toned.map(({ tone }) => tone))).toStrictEqual(new Set(['ok', 'warning', 'error']));
    for (const { tone, text } of toned) {
      expect(text.startsWith(`${marks[tone]} `), text).toBe(true);
      expect(
        Object.values(marks).some((mark) => text.slice(2).startsWith(mark)),
        text,
      ).toBe(false);
    }
  });

  it.each(bundleNames)('of %s is one whole document without a script, and loads nothing', async (name) => {
    const page = await pageOf(recordedBundle(name));
    const problems: string[] = [];
    const elements = elementsOf(parse(page, { onParseError: ({ code }) => problems.push(code) }));
    expect(problems).toEqual([]);
    expect(
      elements.filter(({ tagName }) =>
        [
          'script',
          'link',
          'img',
          'iframe',
          'object',
          'embed',
          'base',
          'form',
          'foreignobject',
          'image',
          'use',
        ].includes(tagName.toLowerCase()),
      ),
    ).toEqual([]);
    const attributes = elements.flatMap(({ attrs }) => attrs);
    expect(
      attributes.filter(
        ({ name: own }) => own.startsWith('on') || ['src', 'srcset', 'style', 'action', 'xlink:href'].includes(own),
      ),
    ).toEqual([]);
    for (const { name: own, value } of attributes) if (own === 'href') expect(value).toMatch(/^#[a-z]+$/);
    expect(reportStyle).not.toMatch(/url\(|@import|expression\(/);
    const ids = elements.flatMap((element) => attribute(element, 'id') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    for (const element of elements)
      if (attribute(element, 'href')?.startsWith('#') === true)
        expect(ids).toContain(attribute(element, 'href')?.slice(1));
  });

  it('lets a browser use its own style alone', async () => {
    const elements = elementsOf(parse(await pageOf(recordedBundle('auth-service'))));
    const policy = attribute(
      elements.find((element) => attribute(element, 'http-equiv') === 'Content-Security-Policy') ?? fail('no policy'),
      'content',
    );
    const style = textOf(elements.find(({ tagName }) => tagName === 'style') ?? fail('no style'));
    expect(policy).toBe(
      `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    );
  });

  it('says what is wrong, where, by what it is known, and what to do', async () => {
    const page = await pageOf(driftedBundle());
    expect(textOf(parse(page))).toContain('✖ 1 error, 0 warnings');
    const text = sectionText(page, 'findings');
    expect(text).toContain('ERROR RULE-EP-MISSING node/node-c');
    expect(text).toContain(
      'node-c sends no packet of ClusterIP 10.96.2.60:80/TCP to the ready endpoint 10.244.2.3:8080',
    );
    expect(text).toContain('the rules of node-c have: 10.244.1.4:8080, 10.244.3.2:8080');
    expect(text).toContain('writes all rules again.');
    expect(text).toContain('$ kubectl -n kube-system ');
    expect(text).toContain(
      "Reported when: A node's rules for a frontend send packets to some of the desired endpoints, and to this one not.",
    );
  });

  it('says when it was collected, and how old that was when the page was written', async () => {
    expect(textOf(parse(await pageOf(recordedBundle('auth-service'))))).toContain(
      'Collected at 2026-11-24 11:27:26 UTC, 60m before this report was written.',
    );
  });

  it.each(bundleNames)('of %s has the words, the ids and the order of the table', async (name) => {
    const content = await buildReport(recordedBundle(name), written);
    const { trace } = content;
    const status = trace.status ?? {};
    const page = printReportPage(content);
    const inOrder = (id: string, words: readonly string[]): void => {
      const text = sectionText(page, id);
      let from = 0;
      for (const word of words) {
        const at = text.indexOf(word, from);
        expect(at, `"${word}" in section ${id}`).toBeGreaterThanOrEqual(from);
        from = at + word.length;
      }
    };
    inOrder(
      'findings',
      (status.findings ?? []).flatMap(({ severity, id, where, message, evidence }) => [
        severity.toUpperCase(),
        id,
        where,
        message,
        ...evidence,
      ]),
    );
    inOrder(
      'nodes',
      nodesTable(trace, status, true)
        .rows.flat()
        .map(({ text }) => text),
    );
    inOrder(
      'endpoints',
      endpointSlicesTable(status, true)
        .rows.flat()
        .map(({ text }) => text),
    );
    inOrder(
      'targets',
      pathsOf(status).flatMap((path) => [
        path.title,
        ...targetsByNode(path, status)
          .rows.flat()
          .map(({ text }) => text),
      ]),
    );
    inOrder(
      'rules',
      content.programs.flatMap(({ node, families }) => [
        node,
        ...families.flatMap(({ stages }) =>
          stages.flatMap(({ chains }) =>
            chains.flatMap(({ chain, rules }) => [chain, ...rules.flatMap(({ sentence, text }) => [sentence, text])]),
          ),
        ),
      ]),
    );
  });

  it('says what disagrees, and which node differs from its peers', async () => {
    const text = sectionText(await pageOf(driftedBundle()), 'comparison');
    expect(text).toContain('EndpointSlices, pods, rules or conntrack disagree on 1 address');
    expect(text).toMatch(/10\.244\.2\.3:8080http 80\/TCP IPv4● ready/);
    expect(text).toMatch(/2\/3.*▲ .*node-c/);
    expect(text).toContain('node-c differs: ');
    expect(sectionText(await pageOf(recordedBundle('auth-service')), 'comparison')).toContain(
      'contradict each other nowhere, as far as they were read',
    );
  });

  it('explains nodes with the same rules once', async () => {
    const bundle = recordedBundle('auth-service');
    const [first] = bundle.answers;
    if (first === undefined || !('report' in first)) throw new Error('no report');
    const identical = { ...first, node: 'node-z', report: { ...first.report, node: 'node-z' } };
    const content = await buildReport({ ...bundle, answers: [first, identical] }, written);
    expect(content.programs.map(({ node, identicalNodes }) => [node, identicalNodes])).toEqual([
      ['node-a', ['node-z']],
    ]);
    expect(sectionText(printReportPage(content), 'rules')).toContain(
      'node-a (and 1 node with the same rules: node-z): proxy mode iptables on nf_tables',
    );
  });

  it('shows what is unknown as unknown', async () => {
    const bundle = recordedBundle('auth-service');
    const page = await pageOf({
      ...bundle,
      answers: bundle.answers.map((answer) =>
        answer.node === 'node-b'
          ? { node: 'node-b', state: 'Failed', reason: 'ImagePullBackOff', message: 'the image cannot be pulled' }
          : answer,
      ),
    });
    expect(sectionText(page, 'nodes')).toContain('failed: ImagePullBackOff');
    expect(sectionText(page, 'nodes')).toContain('node-b: the image cannot be pulled');
    expect(sectionText(page, 'targets')).toContain('▲ unknown');
    expect(sectionText(page, 'conntrack')).toMatch(/node-b▲ unknown/);
    expect(sectionText(page, 'versions')).toMatch(/node-b▲ unknown▲ unknown▲ unknown▲ unknown/);
    expect(textOf(parse(page))).toContain('▲ 0 errors, 1 warning');
  });

  it('of a headless Service says why there are no rules', async () => {
    expect(sectionText(await pageOf(recordedBundle('headless')), 'rules')).toContain(
      'kube-proxy writes no rules for it, because',
    );
  });

  it('has the whole packet path of a client, in the words of explain', async () => {
    const content = await buildReport(recordedBundle('auth-service'), { ...written, from: { ip: '10.244.1.3' } });
    const page = printReportPage(content);
    const text = sectionText(page, 'packet-path');
    expect(text).toContain('Packet path of 10.244.1.3');
    expect(text).toContain('10.244.1.3 to ClusterIP 10.96.2.60:80/TCP over node-a: DNAT');
    const [packetPath, ...others] = content.clientPath?.packetPaths ?? [];
    expect(others).toEqual([]);
    let from = 0;
    for (const { letter, title, sentences, rules, outcome } of packetPath?.steps ?? []) {
      for (const word of [
        `Step ${letter}: ${title}`,
        ...sentences,
        ...rules.flatMap(({ table, chain, sentence, text: rule }) => [`${table} ${chain}`, sentence, rule]),
        ...outcome,
      ])
        expect(text, word).toContain(word);
      const at = text.indexOf(`Step ${letter}`);
      expect(at).toBeGreaterThanOrEqual(from);
      from = at;
    }
    expect(packetPath?.steps.map(({ letter }) => letter)).toEqual(['A', 'B', 'C', 'D', 'E']);
    expect(elementsOf(parse(page)).filter((element) => attribute(element, 'href') === '#packet-path')).toHaveLength(1);
    expect(await pageOf(recordedBundle('auth-service'))).not.toContain('id="packet-path"');
  });

  it("takes a pod's two addresses, each to the frontends of its family, and not the walk a second time", async () => {
    const bundle = recordedBundle('auth-service');
    const [endpoint] = bundle.desired.endpointSlices.flatMap(({ endpoints }) => endpoints);
    const pod = endpoint?.targetRef?.name ?? fail('no pod');
    const walkFrom = [
      { node: endpoint?.nodeName ?? 'node-a', address: '10.244.1.4' },
      { node: endpoint?.nodeName ?? 'node-a', address: 'fd00:10:244:1::4' },
    ];
    const walked = { ...bundle, spec: { ...bundle.spec, from: { pod } }, walkFrom };
    const content = await buildReport(walked, { ...written, from: { pod } });
    expect(content.clientPath?.client).toBe(`pod ${pod}`);
    expect(content.clientPath?.packetPaths.map(({ client, frontend }) => [client.address, frontend])).toEqual([
      ['10.244.1.4', 'ClusterIP 10.96.2.60:80/TCP'],
      ['fd00:10:244:1::4', 'ClusterIP [fd00:10:96::919f]:80/TCP'],
    ]);
    expect(content.trace.status?.walks).not.toEqual([]);
    expect(printReportPage(content)).not.toContain('id="walks"');
    expect(printReportPage(await buildReport(walked, written))).toContain('id="walks"');
  });

  it('says why a client has no packet path', async () => {
    const bundle = recordedBundle('auth-service');
    const silent = {
      ...bundle,
      answers: bundle.answers.map(({ node }) => ({
        node,
        state: 'Failed' as const,
        reason: 'Timeout',
        message: 'no answer',
      })),
    };
    expect(
      sectionText(
        printReportPage(await buildReport(silent, { ...written, from: { ip: '10.244.1.3' } })),
        'packet-path',
      ),
    ).toContain('▲ unknown: no node whose rules its packets meet has reported them');
    expect(
      sectionText(
        printReportPage(await buildReport(recordedBundle('headless'), { ...written, from: { ip: '10.244.1.3' } })),
        'packet-path',
      ),
    ).toContain('kube-proxy writes no rules for it, because');
  });

  it('shows the result of the active check, at each hop of a packet path, too', async () => {
    const bundle = recordedBundle('auth-service');
    const tried: NodeReportRecord = {
      kind: 'connection',
      service: 'default/auth-service',
      hop: 'ClusterIP',
      address: '10.96.2.60',
      port: 80,
      protocol: 'TCP',
      outcome: 'refused',
      milliseconds: 1.2,
      error: 'ECONNREFUSED',
    };
    const answers = bundle.answers.map((answer) =>
      'report' in answer && answer.node === 'node-a'
        ? {
            ...answer,
            report: {
              ...answer.report,
              records: [...answer.report.records.slice(0, -1), tried, ...answer.report.records.slice(-1)],
            },
          }
        : answer,
    );
    const page = printReportPage(await buildReport({ ...bundle, answers }, { ...written, from: { ip: '10.244.1.3' } }));
    expect(sectionText(page, 'packet-path')).toContain(
      'Active check from node node-a itself: 10.96.2.60:80/TCP: refused (ECONNREFUSED) after 1 ms.',
    );
    expect(sectionText(page, 'connections')).toMatch(/Connections made by --connect.*ClusterIP.*refused/);
  });

  it('folds long tables, and gives targets sums where nodes are many', async () => {
    const content = await buildReport(recordedBundle('auth-service'), written);
    const [node] = content.trace.status?.nodes ?? [];
    if (node === undefined) throw new Error('no node');
    const nodes = Array.from({ length: 60 }, (_, index) => ({ ...node, name: `worker-${String(index)}` }));
    const page = printReportPage({
      ...content,
      trace: { ...content.trace, status: { ...content.trace.status, nodes } },
    });
    expect(sectionText(page, 'nodes')).toContain('Nodes: 60 rows');
    expect(sectionText(page, 'targets')).toContain('60/60');
    expect(sectionText(page, 'targets')).not.toContain('worker-59');
  });

  it('is readable for people who listen: a language, one title, headings in order, tables with heads', async () => {
    const elements = elementsOf(
      parse(printReportPage(await buildReport(driftedBundle(), { ...written, from: { ip: '10.244.1.3' } }))),
    );
    expect(attribute(elements[0] ?? fail('no html'), 'lang')).toBe('en');
    const levels = elements.flatMap(({ tagName }) => (/^h[1-6]$/.test(tagName) ? [Number(tagName[1])] : []));
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    levels.forEach((level, index) => {
      expect(level - (levels[index - 1] ?? 0)).toBeLessThanOrEqual(1);
    });
    for (const table of elements.filter(({ tagName }) => tagName === 'table')) {
      const heads = elementsOf(table).filter(({ tagName }) => tagName === 'th');
      expect(heads.length).toBeGreaterThan(0);
      for (const head of heads) expect(['col', 'row']).toContain(attribute(head, 'scope'));
    }
    for (const element of elements)
      if (/\b(?:ok|warning|error)\b/.test(attribute(element, 'class') ?? ''))
        expect(textOf(element)).toMatch(/[●▲✖!]|ERROR|WARNING|^$/);
  });
});

/** What a cluster may give as text; the others are words of ours or numbers, which say what is drawn. */
const fixedKeys = new Set([
  'apiVersion',
  'kind',
  'type',
  'status',
  'severity',
  'verdict',
  'family',
  'frontend',
  'protocol',
  'proxyMode',
  'backend',
  'state',
  'outcome',
  'hop',
  'addressType',
  'collectedAt',
  'lastChange',
  'lastSync',
  'lastTransitionTime',
  'hooks',
  'tone',
  'align',
  'cut',
  'title',
  'writtenAt',
  'picture',
  'id',
  'notProxied',
]);

function withSuffix(value: unknown, suffix: string, key = ''): unknown {
  if (typeof value === 'string') return fixedKeys.has(key) || value === '' ? value : value + suffix;
  if (Array.isArray(value)) return value.map((each) => withSuffix(each, suffix, key));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, withSuffix(own, suffix, name)]));
  return value;
}

describe('what comes from a cluster', () => {
  const markup = fc.constantFrom(
    '<',
    '>',
    '"',
    "'",
    '&',
    '`',
    '/',
    '=',
    '-->',
    '<!--',
    ']]>',
    '</svg>',
    '</style>',
    '</title>',
    '</p>',
    '<script>',
    '<b onclick=x>',
    '<img src=x onerror=y>',
    '&lt;',
    '&#60;',
    '\u0000',
    '\n',
    ' ',
    'x',
    '{{',
    '${',
  );
  const evil = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.array(markup, { maxLength: 8 }).map((parts) => parts.join('')),
  );

  it('adds no element and no attribute to the page', async () => {
    const content = await buildReport(driftedBundle(), { ...written, from: { ip: '10.244.1.3' } });
    const skeletonWith = (suffix: string): string[] =>
      skeleton(printReportPage(withSuffix(content, suffix) as ReportContent));
    fc.assert(
      fc.property(evil, (text) => {
        // Backquotes make code of what is between them; what is short is not broken on paper; and an address with a
        // colon is written in brackets, which makes it longer.
        expect(skeletonWith(text.replaceAll('`', "'"))).toEqual(skeletonWith(visibleText(text).replace(/[^:]/g, 'x')));
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('adds nothing to the picture', async () => {
    const bundle = driftedBundle();
    const named = (suffix: string): Bundle => ({
      ...bundle,
      desired: {
        ...bundle.desired,
        endpointSlices: bundle.desired.endpointSlices.map((slice) => ({
          ...slice,
          name: slice.name + suffix,
          endpoints: slice.endpoints.map((endpoint) => ({
            ...endpoint,
            nodeName: `${endpoint.nodeName ?? ''}${suffix}`,
            targetRef: { ...endpoint.targetRef, name: `${endpoint.targetRef?.name ?? ''}${suffix}` },
          })),
        })),
      },
    });
    const picture = async (suffix: string): Promise<string[]> =>
      skeleton((await buildReport(named(suffix), written)).picture);
    const benign = await picture('x');
    await fc.assert(
      fc.asyncProperty(evil, async (text) => {
        expect(await picture(text)).toEqual(benign);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('stands there as it is', async () => {
    const bundle = driftedBundle();
    const page = await pageOf({
      ...bundle,
      namespace: '<i>"&amp;\'',
      desired: { ...bundle.desired, namespace: '<i>"&amp;\'' },
    });
    expect(textOf(parse(page))).toContain('Service in <i>"&amp;\'');
    expect(elementsOf(parse(page)).filter(({ tagName }) => tagName === 'i')).toEqual([]);
  });

  it('is typed text between backquotes, and nothing else', async () => {
    const content = await buildReport(driftedBundle(), written);
    const [finding] = content.trace.status?.findings ?? [];
    if (finding === undefined) throw new Error('no finding');
    const page = printReportPage({
      ...content,
      trace: {
        ...content.trace,
        status: {
          ...content.trace.status,
          findings: [{ ...finding, advice: 'run `kubectl get <b>pods</b>`, then ` look' }],
        },
      },
    });
    expect(page).toContain('run <code>kubectl get &lt;b&gt;pods&lt;/b&gt;</code>, then  look');
  });
});

describe('kubectl svctrace report', () => {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-report-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function report(...words: string[]): Promise<{ status: number; err: string; out: string }> {
    const parsed = await parseCommandLine(['report', ...words], 100);
    if (parsed.kind !== 'request' || parsed.request.command !== 'report') throw new Error('no report request');
    const io = testIo();
    const status = await runReport(parsed.request, io, () => new Date(written.writtenAt));
    return { status, err: io.err(), out: io.out() };
  }

  it('writes the file, says so on stderr, and exits as trace does', async () => {
    const file = join(folder, 'clean.html');
    const { status, err, out } = await report('--bundle', fixture('auth-service'), '--to', file);
    expect(status).toBe(0);
    expect(out).toBe('');
    expect(err).toMatch(
      /^Wrote \S+clean\.html \(\d+\.\d KiB\): no finding; connections not tried: --connect\. Any browser shows it, without a network\.\n$/,
    );
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>\n<html lang="en">[\s\S]*<\/html>\n$/);
    expect((await report('--bundle', fixture('nobody-home'), '--to', join(folder, 'errors.html'))).status).toBe(1);
  });

  it("takes no other file's place unless that is asked for, and leaves no draft", async () => {
    const file = join(folder, 'taken.html');
    writeFileSync(file, 'mine');
    await expect(report('--bundle', fixture('auth-service'), '--to', file)).rejects.toThrow(
      new UsageError(`--to ${file} is there already; choose another name, or replace it with --overwrite.`),
    );
    expect(readFileSync(file, 'utf8')).toBe('mine');
    await report('--bundle', fixture('auth-service'), '--to', file, '--overwrite');
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>/);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('says where it cannot write', async () => {
    await expect(
      report('--bundle', fixture('auth-service'), '--to', join(folder, 'nowhere', 'r.html')),
    ).rejects.toThrow(/^--to \S+r\.html cannot be written: there is no such file or directory \(ENOENT\)$/);
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(report('--bundle', fixture('auth-service'), '--to', join(file, 'r.html'))).rejects.toThrow(
      /^--to \S+r\.html cannot be written: a part of its path is a file, not a directory \(ENOTDIR\)$/,
    );
    await expect(writeNewFile(join(file, 'r.html'), 'text', false)).rejects.toThrow(UsageError);
    await expect(report('--bundle', fixture('auth-service'), '--to', folder, '--overwrite')).rejects.toThrow(
      /^--to \S+ cannot be written: it is a directory: name a file$/,
    );
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is of the chosen nodes, and refuses one that the trace does not have', async () => {
    const file = join(folder, 'one.html');
    await report('--bundle', fixture('auth-service'), '--to', file, '--node', 'node-b');
    expect(sectionText(readFileSync(file, 'utf8'), 'nodes')).not.toContain('node-a');
    await expect(
      report('--bundle', fixture('auth-service'), '--to', join(folder, 'none.html'), '--node', 'node-z'),
    ).rejects.toThrow('--node node-z: there is no such node in the trace; it has node-a, node-b, node-c.');
  });

  it('follows the client of --from, and refuses one that the trace does not know', async () => {
    const file = join(folder, 'client.html');
    await report('--bundle', fixture('auth-service'), '--to', file, '--from', '10.244.1.3');
    expect(sectionText(readFileSync(file, 'utf8'), 'packet-path')).toContain(
      '10.244.1.3 to ClusterIP 10.96.2.60:80/TCP over node-a: DNAT',
    );
    const none = join(folder, 'stranger.html');
    await expect(report('--bundle', fixture('auth-service'), '--to', none, '--from', 'client-z')).rejects.toThrow(
      '--from client-z: the trace knows no pod of this name',
    );
    expect(existsSync(none)).toBe(false);
  });

  it('exits with 5 and says which node did not answer', async () => {
    const bundle = recordedBundle('auth-service');
    const file = join(folder, 'partial.svctrace');
    writeFileSync(
      file,
      printBundle({
        ...bundle,
        answers: bundle.answers.map((answer) =>
          answer.node === 'node-b'
            ? { node: 'node-b', state: 'Failed', reason: 'ImagePullBackOff', message: 'the image cannot be pulled' }
            : answer,
        ),
      }),
    );
    const { status, err } = await report('--bundle', file, '--to', join(folder, 'partial.html'));
    expect(status).toBe(5);
    expect(err).toContain(
      'Partial: 1 of 3 nodes did not answer: node-b (ImagePullBackOff: the image cannot be pulled)',
    );
  });
});

function fail(message: string): never {
  throw new Error(message);
}
