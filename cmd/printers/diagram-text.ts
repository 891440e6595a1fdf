/** The picture in box drawing characters, layer under layer; as a tree where a layer does not fit the width. */
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import { layers, lineText, type Diagram, type DiagramArrow, type DiagramBox } from '../../core/diagram/diagram.ts';
import type { Tone } from '../tables/tone.ts';
import type { Paint } from '../tables/paint.ts';
import { wrapped } from './wrapped.ts';

export interface DiagramTextOptions {
  readonly width: number;
  readonly paint: Paint;
}

/** One picture for each program of the nodes; what is found, and what is not in it, stands below. */
export function printDiagramText(diagram: Diagram, options: DiagramTextOptions): string {
  const { paint, width } = options;
  const { title, groups, boxes, arrows, findings, notes } = diagram;
  const lines = [paint('heading', title)];
  const drawn = groups.filter(({ id }) => boxes.some(({ group }) => group === id));
  for (const group of drawn.length === 0 ? [undefined] : drawn) {
    const part = partOf(boxes, arrows, (box) => box.group === undefined || box.group === group?.id);
    const layered = drawLayers(part, options);
    if (group !== undefined) lines.push('', ...wrapped(group.title, width).map((line) => paint('heading', line)));
    if (layered !== undefined) {
      lines.push(...layered);
      continue;
    }
    // Both families beside each other are wider than one.
    const families = (['IPv4', 'IPv6'] as const).filter((family) => part.boxes.some((box) => box.family === family));
    const pictures = families.map((family) =>
      drawLayers(
        reached(partOf(part.boxes, part.arrows, (box) => box.family === undefined || box.family === family)),
        options,
      ),
    );
    if (families.length > 1 && pictures.every((picture) => picture !== undefined))
      pictures.forEach((picture, index) =>
        lines.push(...(index === 0 ? [] : ['']), paint('heading', families[index] ?? ''), ...picture),
      );
    else lines.push(...drawTree(part, options));
  }
  const tones: Readonly<Record<Diagram['findings'][number]['severity'], Tone>> = {
    error: 'error',
    warning: 'warning',
    info: 'dim',
  };
  if (findings.length > 0 || notes.length > 0) lines.push('');
  lines.push(
    ...findings.flatMap(({ severity, text }) => wrapped(text, width).map((line) => paint(tones[severity], line))),
    ...notes.flatMap((text) => wrapped(text, width)),
  );
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

interface Part {
  readonly boxes: readonly DiagramBox[];
  readonly arrows: readonly DiagramArrow[];
}

function partOf(
  boxes: readonly DiagramBox[],
  arrows: readonly DiagramArrow[],
  isIn: (box: DiagramBox) => boolean,
): Part {
  const own = boxes.filter(isIn);
  const ids = new Set(own.map(({ id }) => id));
  return { boxes: own, arrows: arrows.filter(({ from, to }) => ids.has(from) && ids.has(to)) };
}

/** Without pods of the other family alone. */
function reached({ boxes, arrows }: Part): Part {
  return { boxes: boxes.filter(({ id, layer }) => layer !== 'pod' || arrows.some(({ to }) => to === id)), arrows };
}

/** A place in a row: a box, or where an arrow passes by. */
interface Slot {
  readonly id: string;
  readonly box: DiagramBox | undefined;
  width: number;
  x: number;
  /** The line of its lower edge. */
  bottom: number;
}

/** From a slot to others in the next row. */
interface Link {
  readonly from: string;
  readonly to: string;
  readonly label?: string;
}

const gap = 2;
const leastBox = 22;

/** Undefined where a row does not fit. */
function drawLayers({ boxes, arrows }: Part, { width, paint }: DiagramTextOptions): string[] | undefined {
  const used = layers.filter((layer) => boxes.some((box) => box.layer === layer));
  const rowOf = new Map(boxes.map(({ id, layer }) => [id, used.indexOf(layer)]));
  const rows = used.map((layer): Slot[] =>
    boxes
      .filter((box) => box.layer === layer)
      .map((box) => ({ id: box.id, box, width: naturalWidth(box), x: 0, bottom: 0 })),
  );
  const links: Link[] = [];
  for (const { from, to, label } of arrows) {
    const [start, end] = [rowOf.get(from) ?? 0, rowOf.get(to) ?? 0];
    // An arrow within a layer, or upwards, has no place here.
    if (end <= start) return undefined;
    let last = from;
    for (let row = start + 1; row < end; row += 1) {
      // Arrows of one box that pass the same row share the line.
      const id = `${from} past ${String(row)} to ${[...new Set(arrows.filter((each) => each.from === from && (rowOf.get(each.to) ?? 0) > row).map((each) => each.to))].join(' ')}`;
      if (rows[row]?.some((slot) => slot.id === id) === false)
        rows[row]?.push({ id, box: undefined, width: 1, x: 0, bottom: 0 });
      if (!links.some((link) => link.from === last && link.to === id)) links.push({ from: last, to: id });
      last = id;
    }
    links.push({ from: last, to, ...(label === undefined ? {} : { label }) });
  }
  for (const row of rows) if (!place(row, width)) return undefined;
  rows.forEach((row, index) => {
    if (index > 0) order(row, rows[index - 1] ?? [], links);
  });
  for (const row of rows) place(row, width);
  const canvas = new Canvas(width);
  let y = 0;
  rows.forEach((row, index) => {
    const height = Math.max(...row.map(({ box }) => (box === undefined ? 1 : box.lines.length + 3)));
    for (const slot of row) drawBox(canvas, slot, y, height);
    y += height;
    const next = rows[index + 1];
    if (next !== undefined) y = drawLinks(canvas, row, next, links, y);
  });
  return canvas.lines(paint);
}

function naturalWidth({ title, lines }: DiagramBox): number {
  return Math.max(...[title, ...lines.map(lineText)].map((text) => stringWidth(text))) + 4;
}

/** Gives the slots of a row their widths and places. @returns false where they do not fit */
function place(row: readonly Slot[], width: number): boolean {
  const total = (): number => row.reduce((sum, slot) => sum + slot.width, 0) + gap * (row.length - 1);
  while (total() > width) {
    const widest = row.reduce<Slot | undefined>(
      (best, slot) => (slot.width > (best?.width ?? leastBox) ? slot : best),
      undefined,
    );
    if (widest === undefined) return false;
    widest.width -= 1;
  }
  let x = Math.floor((width - total()) / 2);
  for (const slot of row) {
    slot.x = x;
    x += slot.width + gap;
  }
  return true;
}

function middleOf({ x, width }: Slot): number {
  return x + Math.floor(width / 2);
}

/** Puts slots under those with arrows to them. */
function order(row: Slot[], above: readonly Slot[], links: readonly Link[]): void {
  const weight = (slot: Slot): number => {
    const sources = links
      .filter(({ to }) => to === slot.id)
      .flatMap(({ from }) => above.filter(({ id }) => id === from).map(middleOf));
    return sources.length === 0 ? middleOf(slot) : sources.reduce((sum, each) => sum + each, 0) / sources.length;
  };
  const weights = new Map(row.map((slot) => [slot.id, weight(slot)]));
  row.sort((one, other) => (weights.get(one.id) ?? 0) - (weights.get(other.id) ?? 0));
}

function drawBox(canvas: Canvas, slot: Slot, y: number, height: number): void {
  const { box, x, width } = slot;
  const middle = x + Math.floor(width / 2);
  if (box === undefined) {
    canvas.vertical(middle, y, y + height - 1, 'past');
    slot.bottom = y + height - 1;
    return;
  }
  const room = width - 4;
  const tone: Tone = box.tone === 'plain' ? 'plain' : box.tone;
  const bottom = y + box.lines.length + 2;
  slot.bottom = bottom;
  canvas.text(x, y, `┌${'─'.repeat(width - 2)}┐`, tone);
  const markTone = box.tone === 'plain' ? 'warning' : box.tone;
  [{ text: box.title, isMark: false }, ...box.lines].forEach((line, index) => {
    const whole = lineText(line);
    const text =
      stringWidth(whole) > room ? cliTruncate(whole, room, { position: index === 0 ? 'middle' : 'end' }) : whole;
    canvas.text(x, y + 1 + index, '│', tone);
    canvas.text(x + 2, y + 1 + index, text, index === 0 ? 'heading' : line.isMark ? markTone : 'plain');
    canvas.text(x + width - 1, y + 1 + index, '│', tone);
  });
  canvas.text(x, bottom, `└${'─'.repeat(width - 2)}┘`, tone);
}

/** Sources with the same targets: one line to all of them. */
interface Net {
  readonly name: string;
  readonly sources: number[];
  /** Where the lower edge of each source is. */
  readonly from: number[];
  readonly targets: readonly number[];
}

/** Draws the lines between two rows. @returns where the next row begins */
function drawLinks(
  canvas: Canvas,
  above: readonly Slot[],
  below: readonly Slot[],
  links: readonly Link[],
  top: number,
): number {
  const between = links.filter(
    ({ from, to }) => above.some(({ id }) => id === from) && below.some(({ id }) => id === to),
  );
  const nets = new Map<string, Net>();
  for (const slot of above) {
    const targets = below.filter(({ id }) => between.some((link) => link.from === slot.id && link.to === id));
    if (targets.length === 0) continue;
    const name = targets.map(({ id }) => id).join('\n');
    const net = nets.get(name) ?? { name, sources: [], from: [], targets: targets.map(middleOf) };
    nets.set(name, net);
    net.sources.push(middleOf(slot));
    net.from.push(slot.bottom);
  }
  const all = [...nets.values()];
  const spans = all.map(
    ({ sources, targets }) => [Math.min(...sources, ...targets), Math.max(...sources, ...targets)] as const,
  );
  const areApart = spans.every(([from, to], index) =>
    spans.every(([otherFrom, otherTo], other) => other === index || otherTo < from || otherFrom > to),
  );
  // What goes straight down needs no track; where lines meet, targets are a little aside of sources.
  const aside = areApart ? 0 : 2;
  const tracked = all.filter(
    ({ sources, targets }) =>
      !(sources.length === 1 && targets.length === 1 && Math.abs((sources[0] ?? 0) - (targets[0] ?? 0)) <= 2),
  );
  const labels = new Map(
    below.map((slot) => [
      slot.id,
      [...new Set(between.flatMap(({ to, label }) => (to === slot.id && label !== undefined ? [label] : [])))].join(
        ' / ',
      ),
    ]),
  );
  const hasLabels = [...labels.values()].some((label) => label !== '');
  const firstTrack = top;
  const bottom = firstTrack + (areApart ? Math.min(1, tracked.length) : tracked.length);
  const end = bottom + (hasLabels ? 1 : 0);
  for (const net of all) {
    const { sources, targets, name } = net;
    const track = tracked.indexOf(net);
    if (track === -1) {
      canvas.vertical(sources[0] ?? 0, net.from[0] ?? top, end, name);
      continue;
    }
    const y = firstTrack + (areApart ? 0 : track);
    const ends = targets.map((x) => x + aside);
    canvas.horizontal(Math.min(...sources, ...ends), Math.max(...sources, ...ends), y, name);
    sources.forEach((x, index) => {
      canvas.vertical(x, net.from[index] ?? top, y, name);
    });
    for (const x of ends) canvas.vertical(x, y, end, name);
  }
  // Lines of several nets to one target join at its column.
  for (const net of tracked) {
    const y = firstTrack + (areApart ? 0 : tracked.indexOf(net));
    const ports = [...net.sources, ...net.targets.map((x) => x + aside)];
    for (const x of net.targets) canvas.join(x + aside, y, Math.min(...ports), Math.max(...ports));
  }
  for (const slot of below) {
    const incoming = all.filter(({ name }) => name.split('\n').includes(slot.id));
    const columns = incoming.map((net) => (tracked.includes(net) ? middleOf(slot) + aside : (net.sources[0] ?? 0)));
    const [x] = columns;
    if (x === undefined) continue;
    if (slot.box !== undefined) for (const column of columns) canvas.text(column, end, '▼', 'plain');
    else if (x !== middleOf(slot))
      canvas.horizontal(Math.min(x, middleOf(slot)), Math.max(x, middleOf(slot)), end, incoming[0]?.name ?? '');
    const label = labels.get(slot.id) ?? '';
    if (label === '') continue;
    const room = Math.max(6, slot.width);
    const text = stringWidth(label) > room ? cliTruncate(label, room) : label;
    canvas.text(Math.max(0, x - Math.floor(stringWidth(text) / 2)), bottom, text, 'dim');
  }
  return end + 1;
}

const [up, down, left, right] = [1, 2, 4, 8];
const corners: ReadonlyMap<number, string> = new Map([
  [up, '│'],
  [down, '│'],
  [up | down, '│'],
  [left, '─'],
  [right, '─'],
  [left | right, '─'],
  [down | right, '┌'],
  [down | left, '┐'],
  [up | right, '└'],
  [up | left, '┘'],
  [up | down | right, '├'],
  [up | down | left, '┤'],
  [left | right | down, '┬'],
  [left | right | up, '┴'],
  [up | down | left | right, '┼'],
]);

interface Square {
  text: string;
  tone: Tone;
  /** Where lines leave it, and whose they are. */
  directions: number;
  owner: string;
}

class Canvas {
  readonly #rows: (Square | undefined)[][] = [];
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
  }

  /** Wide letters take the squares behind them. */
  text(x: number, y: number, text: string, tone: Tone): void {
    let at = x;
    for (const { segment } of new Intl.Segmenter().segment(text)) {
      const wide = stringWidth(segment);
      const row = this.#row(y);
      row[at] = { text: segment, tone, directions: 0, owner: '' };
      for (let extra = 1; extra < wide; extra += 1) row[at + extra] = { text: '', tone, directions: 0, owner: '' };
      at += wide;
    }
  }

  vertical(x: number, from: number, to: number, owner: string): void {
    for (let y = from; y <= to; y += 1) this.#line(x, y, (y === from ? 0 : up) | (y === to ? 0 : down), owner);
  }

  horizontal(from: number, to: number, y: number, owner: string): void {
    for (let x = from; x <= to; x += 1) this.#line(x, y, (x === from ? 0 : left) | (x === to ? 0 : right), owner);
  }

  /** At a target, the line from the side meets what comes from above, whosever it is. */
  join(x: number, y: number, from: number, to: number): void {
    const square = this.#row(y)[x];
    if (square !== undefined) square.directions |= (x > from ? left : 0) | (x < to ? right : 0) | down;
  }

  /** Lines of one owner join; others cross, and the upright one goes through. */
  #line(x: number, y: number, directions: number, owner: string): void {
    const row = this.#row(y);
    const before = row[x];
    if (before !== undefined && before.directions === 0) {
      // The lower edge of a box gets a foot.
      if (before.text === '─' && directions === down) row[x] = { ...before, text: '┬' };
      else if (before.text === ' ' || before.text === '') row[x] = { text: '', tone: 'plain', directions, owner };
      return;
    }
    const isCrossing = before !== undefined && before.owner !== owner;
    const upright = (each: number): number => each & (up | down);
    const joined =
      before === undefined
        ? directions
        : isCrossing && (upright(before.directions) | upright(directions)) === (up | down)
          ? up | down
          : before.directions | directions;
    row[x] = { text: '', tone: 'plain', directions: joined, owner: before?.owner ?? owner };
  }

  #row(y: number): (Square | undefined)[] {
    const row = this.#rows[y] ?? [];
    this.#rows[y] = row;
    return row;
  }

  lines(paint: Paint): string[] {
    return Array.from(this.#rows, (row) => {
      let line = '';
      let run = '';
      let tone: Tone = 'plain';
      for (let x = 0; x < Math.min(row?.length ?? 0, this.#width); x += 1) {
        const square = row?.[x];
        const own = square?.tone ?? 'plain';
        if (own !== tone) {
          line += paint(tone, run);
          run = '';
          tone = own;
        }
        run +=
          square === undefined ? ' ' : square.directions === 0 ? square.text : (corners.get(square.directions) ?? '│');
      }
      return line + paint(tone, run);
    });
  }
}

/** Each box under the one with an arrow to it; a box with several arrows to it is drawn once, and named after that. */
function drawTree({ boxes, arrows }: Part, { width, paint }: DiagramTextOptions): string[] {
  const known = new Map(boxes.map((box) => [box.id, box]));
  const drawn = new Set<string>();
  const lines: string[] = [];
  const cut = (text: string): string => (stringWidth(text) > width ? cliTruncate(text, width) : text);
  const draw = (box: DiagramBox, label: string | undefined, lead: string, follow: string): void => {
    // A box of one line is one line here too.
    const [only] = box.lines.length === 1 && box.lines[0]?.isMark === false ? box.lines : [];
    const head = `${box.title}${only === undefined ? '' : ` ${only.text}`}${label === undefined ? '' : ` (${label})`}`;
    const again = drawn.has(box.id) && box.lines.length + arrows.filter(({ from }) => from === box.id).length > 0;
    lines.push(paintLine(cut(`${lead}${head}${again ? ' (as above)' : ''}`), box.tone));
    if (drawn.has(box.id)) return;
    drawn.add(box.id);
    const children = arrows
      .filter(({ from }) => from === box.id)
      .flatMap(({ to, label: text }) => {
        const child = known.get(to);
        return child === undefined ? [] : [{ child, text }];
      });
    for (const line of only === undefined ? box.lines : [])
      lines.push(
        paintLine(
          cut(`${follow}${children.length > 0 ? '│ ' : '  '}${lineText(line)}`),
          line.isMark ? (box.tone === 'plain' ? 'warning' : box.tone) : 'plain',
        ),
      );
    children.forEach(({ child, text }, index) => {
      const isLast = index === children.length - 1;
      draw(child, text, `${follow}${isLast ? '└─▶ ' : '├─▶ '}`, `${follow}${isLast ? '    ' : '│   '}`);
    });
  };
  const paintLine = (line: string, tone: Tone): string => paint(tone, line);
  for (const box of boxes) if (!arrows.some(({ to }) => to === box.id)) draw(box, undefined, '', '');
  return lines;
}
