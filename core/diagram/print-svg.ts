/** The picture as SVG: dagre places boxes and bends arrows (docs/decisions/051-layout-of-diagrams.md). */
import { Graph, layout } from '@dagrejs/dagre';
import { layers, lineText, type Diagram, type DiagramBox } from './diagram.ts';

/** Of a monospaced font of 12 pixels: so wide is a letter, so high a line. */
const letter = 7.3;
const lineHeight = 16;
const padding = 10;

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What has a colour has a class too, so that a page around the picture can give it a colour of its own. */
export function printSvg({ title, groups, boxes, arrows, findings, notes }: Diagram): string {
  const graph = new Graph({ compound: true });
  graph.setGraph({ rankdir: 'LR', nodesep: 18, ranksep: 70, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id } of groups) if (boxes.some(({ group }) => group === id)) graph.setNode(`group ${id}`, {});
  for (const box of boxes) {
    graph.setNode(box.id, sizeOf(box));
    if (box.group !== undefined) graph.setParent(box.id, `group ${box.group}`);
  }
  const used = layers.filter((layer) => boxes.some((box) => box.layer === layer));
  const column = new Map(boxes.map(({ id, layer }) => [id, used.indexOf(layer)]));
  // An arrow as long as its layers are apart keeps each layer in one column.
  for (const { from, to, label } of arrows)
    graph.setEdge(from, to, {
      minlen: Math.max(1, (column.get(to) ?? 0) - (column.get(from) ?? 0)),
      ...(label === undefined ? {} : { label, width: label.length * letter, height: lineHeight, labelpos: 'c' }),
    });
  layout(graph);
  const below = [
    ...findings.map(({ severity, text }) => ({
      text,
      color: severity === 'error' ? '#c00' : severity === 'warning' ? '#b60' : '#555',
    })),
    ...notes.map((text) => ({ text, color: '#555' })),
  ];
  const { width: drawn, height: drawnHeight } = placed(graph.graph());
  const top = 30;
  const width = Math.ceil(
    Math.max(drawn, title.length * letter + 40, ...below.map(({ text }) => text.length * letter + 40)),
  );
  const height = Math.ceil(top + drawnHeight + below.length * lineHeight + 10);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" viewBox="0 0 ${String(width)} ${String(height)}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12" role="img">`,
    `<title>${escape(title)}</title>`,
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="tip" d="M0,0 L10,5 L0,10 z" fill="#444"/></marker></defs>',
    `<rect class="paper" width="100%" height="100%" fill="#fff"/>`,
    `<text x="20" y="22" font-size="14" font-weight="bold">${escape(title)}</text>`,
    `<g transform="translate(0,${String(top)})">`,
  ];
  for (const { id, title: heading } of groups) {
    if (!graph.hasNode(`group ${id}`)) continue;
    const { x, y, width: w, height: h } = placed(graph.node(`group ${id}`));
    parts.push(
      `<rect class="group" x="${round(x - w / 2)}" y="${round(y - h / 2)}" width="${round(w)}" height="${round(h)}" rx="8" fill="#f4f6fa" stroke="#aab" stroke-dasharray="3"/>`,
      `<text class="group-title" x="${round(x - w / 2 + 8)}" y="${round(y - h / 2 + 14)}" fill="#446">${escape(heading)}</text>`,
    );
  }
  const labels: string[] = [];
  for (const { from, to, label } of arrows) {
    const { points = [], x, y } = edgeOf(graph.edge(from, to));
    parts.push(
      `<path class="arrow" d="${curve(placed(graph.node(from)), points, placed(graph.node(to)))}" fill="none" stroke="#444" marker-end="url(#tip)"/>`,
    );
    if (label !== undefined && x !== undefined && y !== undefined)
      labels.push(
        `<rect class="paper" x="${round(x - (label.length * letter) / 2)}" y="${round(y - 8)}" width="${round(label.length * letter)}" height="${String(lineHeight)}" fill="#fff"/>`,
        `<text class="label" x="${round(x)}" y="${round(y + 4)}" text-anchor="middle" font-size="11" fill="#024">${escape(label)}</text>`,
      );
  }
  for (const box of boxes) parts.push(boxText(box, placed(graph.node(box.id))));
  parts.push(...labels, '</g>');
  below.forEach(({ text, color }, index) =>
    parts.push(
      `<text x="20" y="${String(top + Math.ceil(drawnHeight) + (index + 1) * lineHeight)}" fill="${color}">${escape(text)}</text>`,
    ),
  );
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

/** From the right edge of one box to the left edge of another, by the points at which dagre has made room for the arrow. */
function curve(from: Placed, points: readonly { readonly x: number; readonly y: number }[], to: Placed): string {
  const vertices = [
    { x: from.x + from.width / 2, y: from.y },
    ...points.slice(1, -1),
    { x: to.x - to.width / 2, y: to.y },
  ].filter((point, index, all) => index === 0 || point.x > (all[index - 1]?.x ?? 0));
  return vertices
    .map(({ x, y }, index) => {
      const before = vertices[index - 1];
      if (before === undefined) return `M${round(x)},${round(y)}`;
      const half = (before.x + x) / 2;
      return `C${round(half)},${round(before.y)} ${round(half)},${round(y)} ${round(x)},${round(y)}`;
    })
    .join(' ');
}

function sizeOf({ title, lines }: DiagramBox): { width: number; height: number } {
  return {
    width: Math.max(...[title, ...lines.map(lineText)].map((text) => text.length)) * letter + 2 * padding,
    height: (lines.length + 1) * lineHeight + 2 * padding - 4,
  };
}

function boxText({ layer, title, lines, tone }: DiagramBox, { x, y, width, height }: Placed): string {
  const left = x - width / 2;
  const top = y - height / 2;
  const look =
    tone === 'error'
      ? 'stroke="#c00" stroke-width="3"'
      : tone === 'warning'
        ? 'stroke="#b60" stroke-width="2" stroke-dasharray="6 3"'
        : 'stroke="#446"';
  const text = [{ text: title, isMark: false }, ...lines].map(
    (line, index) =>
      `<text${line.isMark ? ' class="mark"' : ''} x="${round(left + padding)}" y="${round(top + padding + 10 + index * lineHeight)}"${index === 0 ? ' font-weight="bold"' : line.isMark ? ' fill="#c00"' : ''}>${escape(lineText(line))}</text>`,
  );
  return [
    `<rect class="box ${layer} ${tone}" x="${round(left)}" y="${round(top)}" width="${round(width)}" height="${round(height)}" rx="4" fill="${fills[layer]}" ${look}/>`,
    ...text,
  ].join('\n');
}

const fills: Readonly<Record<DiagramBox['layer'], string>> = {
  dns: '#eef7ee',
  frontend: '#fff8e0',
  entry: '#fff',
  firewall: '#fff',
  external: '#fff',
  service: '#fff',
  endpointSlice: '#eef3ff',
  pod: '#f3eefb',
};

/** What dagre writes into its labels. */
function placed(label: unknown): Placed {
  const of = (name: keyof Placed): number => {
    const value: unknown = typeof label === 'object' && label !== null ? Reflect.get(label, name) : undefined;
    return typeof value === 'number' && Number.isFinite(value) ? value : 0;
  };
  return { x: of('x'), y: of('y'), width: of('width'), height: of('height') };
}

function edgeOf(label: unknown): {
  readonly points?: readonly { readonly x: number; readonly y: number }[];
  readonly x?: number;
  readonly y?: number;
} {
  if (typeof label !== 'object' || label === null) return {};
  const points: unknown = Reflect.get(label, 'points');
  const { x, y } = placed(label);
  return { points: Array.isArray(points) ? points.map(placed) : [], ...(x === 0 && y === 0 ? {} : { x, y }) };
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
