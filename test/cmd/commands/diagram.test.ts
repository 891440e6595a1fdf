/** Pictures in the terminal, as a user sees them. */
import { bundleNames } from '../../support/drifted-bundle.ts';
import { fileURLToPath } from 'node:url';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { runDiagram } from '../../../cmd/commands/diagram.ts';
import { createPaint } from '../../../cmd/tables/paint.ts';
import { printDiagramText } from '../../../cmd/printers/diagram-text.ts';
import { runTrace } from '../../../cmd/commands/trace.ts';
import type { Diagram } from '../../../core/diagram/diagram.ts';
import { testIo } from '../../support/fake-cluster.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}.svctrace`, import.meta.url));

async function diagram(
  columns: number,
  bundle: string,
  ...words: string[]
): Promise<{ output: string; status: number }> {
  const parsed = await parseCommandLine(['diagram', '--bundle', fixture(bundle), ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'diagram') throw new Error('no diagram request');
  const io = testIo({ COLUMNS: String(columns) });
  const status = await runDiagram(parsed.request, io);
  return { output: io.out(), status };
}

describe('kubectl svctrace diagram', () => {
  it.each([
    [80, 'auth-service', 'node-a'],
    [120, 'auth-service', 'node-a'],
    [80, 'node-port', 'node-b'],
    [120, 'node-port-local', 'node-a'],
    [80, 'many-ports', 'node-b'],
    [80, 'nobody-home', 'node-a'],
  ])('at %d columns, %s on %s', async (columns, bundle, node) => {
    const { output } = await diagram(columns, bundle, '--node', node);
    await expect(output).toMatchFileSnapshot(`screens/diagram-${bundle}-${String(columns)}.txt`);
  });

  it.each(bundleNames.flatMap((bundle) => [60, 80, 120].map((columns) => [bundle, columns] as const)))(
    '%s fits %d columns',
    async (bundle, columns) => {
      const { output } = await diagram(columns, bundle);
      for (const line of output.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
    },
  );

  it('exits with 1 for a finding, as trace does', async () => {
    expect((await diagram(80, 'nobody-home')).status).toBe(1);
    expect((await diagram(80, 'auth-service')).status).toBe(0);
  });

  it('refuses a node that the trace does not have', async () => {
    await expect(diagram(80, 'auth-service', '--node', 'node-z')).rejects.toThrow(
      '--node node-z: there is no such node in the trace; it has node-a, node-b, node-c.',
    );
  });

  it.each(['mermaid', 'dot', 'svg'])('prints the same as trace -o %s', async (format) => {
    const parsed = await parseCommandLine(['--bundle', fixture('auth-service'), '-o', format], 100);
    if (parsed.kind !== 'request' || parsed.request.command !== 'trace') throw new Error('no trace request');
    const io = testIo();
    expect(await runTrace(parsed.request, io)).toBe(0);
    expect(io.out()).toBe((await diagram(80, 'auth-service', '-o', format)).output);
  });
});

describe('the picture in letters', () => {
  const box = (
    id: string,
    layer: Diagram['boxes'][number]['layer'],
    tone: Diagram['boxes'][number]['tone'] = 'plain',
  ): Diagram['boxes'][number] => ({ id, layer, title: `box ${id}`, lines: [], tone });
  const draw = (boxes: Diagram['boxes'], arrows: Diagram['arrows'], width = 70, useColor = false): string =>
    printDiagramText(
      { title: 'T', groups: [], boxes, arrows, findings: [], notes: [] },
      { width, paint: createPaint(useColor) },
    );

  it('lets lines that do not belong together cross, and those that do join', () => {
    const boxes = [box('a', 'dns'), box('b', 'dns'), box('c', 'pod'), box('d', 'pod')];
    expect(
      `\n${draw(
        boxes,
        [
          { from: 'a', to: 'c' },
          { from: 'a', to: 'd' },
          { from: 'b', to: 'd' },
        ],
        30,
      )}`,
    ).toMatchInlineSnapshot(`
      "
      T
           ┌───────┐  ┌───────┐
           │ box a │  │ box b │
           └───┬───┘  └───┬───┘
               └─┬────────│─┐
                 ▼        ▼ ▼
           ┌───────┐  ┌───────┐
           │ box c │  │ box d │
           └───────┘  └───────┘
      "
    `);
  });

  it('is a tree where a layer is too wide', () => {
    const many = Array.from({ length: 9 }, (_, index) => box(String(index), 'pod'));
    expect(
      `\n${draw(
        [box('a', 'dns'), ...many.slice(0, 3).map((each) => ({ ...each, title: 'x'.repeat(30) }))],
        many.slice(0, 3).map(({ id }) => ({ from: 'a', to: id, label: '33.3 %' })),
        60,
      )}`,
    ).toMatchInlineSnapshot(`
      "
      T
      box a
      ├─▶ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (33.3 %)
      ├─▶ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (33.3 %)
      └─▶ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (33.3 %)
      "
    `);
  });

  it('colours what is wrong, and says it too', () => {
    const colored = draw([{ ...box('a', 'dns', 'error'), lines: [{ text: 'wrong', isMark: true }] }], [], 40, true);
    expect(colored).toContain('\u001b[31m');
    expect(colored.replace(/\u001b\[\d+m/g, '')).toBe(
      draw([{ ...box('a', 'dns', 'error'), lines: [{ text: 'wrong', isMark: true }] }], [], 40),
    );
  });
});
