/** The picture of recorded Services, read by the real parsers of the languages that it is printed in. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Graphviz } from '@hpcc-js/wasm-graphviz';
import dompurify from 'dompurify';
import mermaid from 'mermaid';
import sax from 'sax';
import { describe, expect, it } from 'vitest';
import { parseBundle } from '../../../core/wire/bundle.ts';
import { buildDiagram } from '../../../core/diagram/build-diagram.ts';
import { layers, lineText, type Diagram } from '../../../core/diagram/diagram.ts';
import { printDot } from '../../../core/diagram/print-dot.ts';
import { printMermaid } from '../../../core/diagram/print-mermaid.ts';
import { printSvg } from '../../../core/diagram/print-svg.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { buildStatus } from '../../../core/status/status.ts';
import { bundleNames, driftedBundle } from '../../support/drifted-bundle.ts';

function statusOf(name: string): { status: ServiceTraceStatus; namespace: string } {
  const {
    spec,
    desired,
    answers,
    recordedAt: now,
    namespace,
  } = parseBundle(readFileSync(fileURLToPath(new URL(`../../fixtures/${name}.svctrace`, import.meta.url)), 'utf8'));
  return {
    status: buildStatus({ spec, generation: undefined, desired, answers, previous: undefined, now }),
    namespace,
  };
}

function diagramOf(name: string, nodes: readonly string[] = [], mostEndpoints = 40): Diagram {
  const { status, namespace } = statusOf(name);
  return buildDiagram(status, { namespace, name, nodes, mostEndpoints });
}

/** A Service of many pods, some of which are not well. */
function crowded(count: number): Diagram {
  const { status, namespace } = statusOf('auth-service');
  const [slice] = status.endpointSlices ?? [];
  const [endpoint] = slice?.endpoints ?? [];
  if (slice === undefined || endpoint === undefined) throw new Error('no endpoint');
  const endpoints = Array.from({ length: count }, (_, index) => ({
    ...endpoint,
    addresses: [`10.1.${String(index >> 8)}.${String(index & 255)}`],
    ready: index !== count - 1,
    targetRef: { kind: 'Pod', name: `pod-${String(index)}` },
  }));
  return buildDiagram(
    { ...status, nodes: [], endpointSlices: [{ ...slice, addressType: 'IPv4', endpoints }] },
    { namespace, name: 'auth-service', nodes: [], mostEndpoints: 5 },
  );
}

describe('the picture', () => {
  it.each(bundleNames)('of %s leads from layer to layer, and every arrow has both ends', (name) => {
    const { boxes, arrows } = diagramOf(name);
    const layerOf = new Map(boxes.map(({ id, layer }) => [id, layers.indexOf(layer)]));
    expect(layerOf.size).toBe(boxes.length);
    for (const { from, to } of arrows)
      expect(layerOf.get(to) ?? -1, `${from} -> ${to}`).toBeGreaterThan(layerOf.get(from) ?? Infinity);
  });

  it('goes from DNS over the address, the rules and the slice to each pod, with shares and counters', () => {
    const { boxes, arrows, groups } = diagramOf('auth-service', ['node-a']);
    expect(groups.map(({ title }) => title)).toEqual(['node-a: iptables on nf_tables']);
    const next = (id: string): readonly string[] => arrows.filter(({ from }) => from === id).map(({ to }) => to);
    const titles = (ids: readonly string[]): (string | undefined)[] =>
      ids.map((id) => boxes.find((box) => box.id === id)?.title);
    const [address = ''] = next('dns');
    const [entry = ''] = next(address);
    const [chain = ''] = next(entry);
    const [slice = ''] = next(chain);
    expect(titles([address, entry, chain, slice])).toEqual([
      'ClusterIP',
      'nat KUBE-SERVICES',
      'KUBE-SVC-FCQA5OQTFYIPVXUO',
      'EndpointSlice auth-service-vh8gq',
    ]);
    expect(next(slice)).toHaveLength(3);
    expect(arrows.filter(({ from }) => from === slice).map(({ label }) => label)).toEqual([
      '33.3 %',
      '33.3 %',
      '33.3 %',
    ]);
    expect(boxes.find(({ id }) => id === chain)?.lines.map(lineText)[0]).toBe(
      '33.3 % → 10.244.1.4:8080, 3 packets, KUBE-SEP-C2VXAI276MUHJYCV',
    );
  });

  it('names the chain of each endpoint by what it does, whatever comments say', () => {
    const { status, namespace } = statusOf('auth-service');
    const without = (status.programs ?? []).map((program) => ({
      ...program,
      chains: program.chains.map((chain) => ({
        ...chain,
        rules: chain.rules.map((rule) => ({ ...rule, text: rule.text.replace(/ -m comment --comment "[^"]*"/, '') })),
      })),
    }));
    const options = { namespace, name: 'auth-service', nodes: ['node-a'], mostEndpoints: 40 };
    expect(without).not.toEqual(status.programs);
    expect(buildDiagram({ ...status, programs: without }, options)).toEqual(buildDiagram(status, options));
  });

  it('draws each different program once', () => {
    expect(diagramOf('auth-service').groups.map(({ title }) => title)).toEqual([
      'node-a: iptables on nf_tables',
      'node-b: nftables',
      'node-c: iptables on legacy',
    ]);
  });

  it('shows where packets are refused, and the finding on it', () => {
    const { boxes, findings } = diagramOf('nobody-home');
    expect(boxes.filter(({ title }) => title === 'REJECT').length).toBeGreaterThan(0);
    expect(boxes.some(({ lines, tone }) => lines.map(lineText).includes('! EPS-EMPTY') && tone === 'error')).toBe(true);
    expect(findings[0]?.text).toMatch(/^error EPS-EMPTY service\/nobody-home: /);
  });

  it('marks a pod that a node has no rule for', () => {
    const { spec, desired, answers, recordedAt: now, namespace } = driftedBundle();
    const { boxes } = buildDiagram(
      buildStatus({ spec, generation: undefined, desired, answers, previous: undefined, now }),
      { namespace, name: 'auth-service', nodes: [], mostEndpoints: 40 },
    );
    expect(
      boxes
        .filter(({ lines }) => lines.map(lineText).includes('! no rule on node-c'))
        .map(({ title, tone }) => [title, tone]),
    ).toEqual([['auth-service-5995955cd8-9t5gq', 'error']]);
  });

  it('finds the chains where KUBE-SERVICES was not listed', () => {
    const { status, namespace } = statusOf('node-port');
    const programs = (status.programs ?? []).map((program) => ({
      ...program,
      chains: program.chains.filter(({ name }) => name !== 'KUBE-SERVICES'),
    }));
    const { boxes, arrows } = buildDiagram(
      { ...status, programs },
      { namespace, name: 'node-port', nodes: ['node-a'], mostEndpoints: 40 },
    );
    const entry = boxes.find(({ title, family }) => title === 'nat KUBE-SERVICES' && family === 'IPv4');
    expect(entry?.lines.map(lineText)).toEqual(['IPv4', 'not listed: known by counts of references']);
    expect(
      arrows.filter(({ from }) => from === entry?.id).map(({ to }) => boxes.find(({ id }) => id === to)?.title),
    ).toEqual(['KUBE-SVC-PGBJQATFX5LAPXOQ']);
  });

  it('of the IPVS mode ends at virtual servers', () => {
    const { namespace } = statusOf('auth-service');
    const target = { address: '10.244.1.2', port: 8080, probability: 1, weight: 1 };
    const node = {
      name: 'node-a',
      probe: { state: 'Collected' as const },
      proxyMode: 'ipvs' as const,
      program: 'x',
      ports: [
        {
          family: 'IPv4' as const,
          frontend: 'ClusterIP' as const,
          address: '10.96.0.7',
          protocol: 'TCP' as const,
          port: 80,
          verdict: 'DNAT' as const,
          dnatTargets: [target],
        },
      ],
    };
    const programs = [
      {
        fingerprint: 'x',
        proxyMode: 'ipvs' as const,
        nodes: ['node-a'],
        chains: [
          {
            family: 'IPv4' as const,
            table: 'ipvs',
            name: 'TCP 10.96.0.7:80',
            rules: [{ text: '-> 10.244.1.2:8080 Masq 1' }],
          },
        ],
      },
    ];
    const { boxes, arrows } = buildDiagram(
      { nodes: [node], programs },
      { namespace, name: 'web', nodes: [], mostEndpoints: 40 },
    );
    expect(boxes.map(({ title, lines }) => [title, ...lines.map(lineText)])).toContainEqual([
      'TCP 10.96.0.7:80',
      '100.0 % → 10.244.1.2:8080',
    ]);
    expect(boxes.find(({ layer }) => layer === 'pod')).toMatchObject({
      title: '10.244.1.2:8080',
      lines: [{ text: 'in no EndpointSlice', isMark: true }],
      tone: 'error',
    });
    expect(arrows.at(-1)?.label).toBe('100.0 %');
  });

  it('folds endpoints, and never those that are not well before others', () => {
    const { boxes } = crowded(50);
    expect(
      boxes
        .filter(({ layer }) => layer === 'pod')
        .map(({ title }) => title)
        .sort(),
    ).toEqual(['pod-0', 'pod-1', 'pod-2', 'pod-49', '… 46 more']);
  });
});

describe('Mermaid takes it', () => {
  // Without a browser there is no DOM to clean labels in; the grammar is what is asked.
  Object.assign(dompurify, { addHook: () => undefined, sanitize: (text: string) => text });

  it.each(bundleNames)('%s', async (name) => {
    expect(await mermaid.parse(printMermaid(diagramOf(name)))).toMatchObject({
      diagramType: expect.stringContaining('flowchart'),
    });
  });

  it('with signs of its own in names', async () => {
    const odd: Diagram = {
      title: 'a "b" #1',
      groups: [],
      boxes: [
        {
          id: 'x',
          layer: 'dns',
          title: 'end "quoted" <b> #35; | ] & `',
          lines: [{ text: '%% %%{ }', isMark: false }],
          tone: 'error',
        },
        { id: 'y', layer: 'pod', title: 'y', lines: [], tone: 'plain' },
      ],
      arrows: [{ from: 'x', to: 'y', label: '50 % | "' }],
      findings: [{ severity: 'error', text: 'x {\ny' }],
      notes: [],
    };
    expect(await mermaid.parse(printMermaid(odd))).toBeTruthy();
    await expect(mermaid.parse('flowchart LR\n  a[ --> b')).rejects.toThrow('Parse error');
  });
});

describe('Graphviz takes it', () => {
  it.each(bundleNames)('%s', async (name) => {
    const graphviz = await Graphviz.load();
    const diagram = diagramOf(name);
    const drawn = graphviz.dot(printDot(diagram), 'plain');
    expect(drawn.split('\n').filter((line) => line.startsWith('node '))).toHaveLength(diagram.boxes.length);
    expect(drawn.split('\n').filter((line) => line.startsWith('edge '))).toHaveLength(diagram.arrows.length);
  });
});

describe('SVG is well-formed', () => {
  it.each(bundleNames)('%s', (name) => {
    const diagram = diagramOf(name);
    const parser = sax.parser(true);
    const counts = new Map<string, number>();
    const texts: string[] = [];
    let ends = Number.NaN;
    parser.onerror = (error) => {
      throw error;
    };
    parser.onopentag = ({ name: tag, attributes }) => {
      counts.set(tag, (counts.get(tag) ?? 0) + 1);
      if (tag === 'svg') ends = Number(attributes['width']);
      // Nothing is drawn beside the page.
      if (tag === 'rect' && typeof attributes['x'] === 'string')
        expect(Number(attributes['x']) + Number(attributes['width'])).toBeLessThanOrEqual(ends);
    };
    parser.ontext = (text) => {
      texts.push(text);
    };
    parser.write(printSvg(diagram)).close();
    expect(counts.get('path')).toBe(diagram.arrows.length + 1);
    for (const { title } of diagram.boxes) expect(texts).toContain(title);
  });
});
