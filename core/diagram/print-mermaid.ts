/** The picture as a flowchart of Mermaid (https://mermaid.js.org/syntax/flowchart.html). */
import { lineText, type Diagram, type DiagramBox } from './diagram.ts';

export function printMermaid({ title, groups, boxes, arrows, findings, notes }: Diagram): string {
  const ids = new Map(boxes.map(({ id }, index) => [id, `n${String(index)}`]));
  const box = ({ id, title: heading, lines }: DiagramBox): string =>
    `${ids.get(id) ?? ''}["${[`<b>${escape(heading)}</b>`, ...lines.map((line) => escape(lineText(line)))].join('<br/>')}"]`;
  const lines = [
    '---',
    `title: ${JSON.stringify(title)}`,
    '---',
    ...[...findings.map(({ text }) => text), ...notes].map((text) => `%% ${text.replace(/[\n{}]/g, ' ')}`),
    'flowchart LR',
  ];
  for (const each of boxes.filter(({ group }) => group === undefined)) lines.push(`  ${box(each)}`);
  for (const { id, title: heading } of groups) {
    const own = boxes.filter(({ group }) => group === id);
    if (own.length > 0)
      lines.push(`  subgraph ${id}["${escape(heading)}"]`, ...own.map((each) => `    ${box(each)}`), '  end');
  }
  for (const { from, to, label } of arrows)
    lines.push(`  ${ids.get(from) ?? ''} -->${label === undefined ? '' : `|"${escape(label)}"|`} ${ids.get(to) ?? ''}`);
  for (const tone of ['warning', 'error'] as const) {
    const own = boxes.filter((each) => each.tone === tone).map(({ id }) => ids.get(id) ?? '');
    if (own.length > 0)
      lines.push(
        `  classDef ${tone} ${tone === 'error' ? 'stroke:#c00,stroke-width:3px' : 'stroke:#b60,stroke-width:2px,stroke-dasharray:4'}`,
        `  class ${own.join(',')} ${tone}`,
      );
  }
  return `${lines.join('\n')}\n`;
}

/** Entity codes of Mermaid, whose # needs no ampersand. */
function escape(text: string): string {
  return text.replace(/[#"<>&`\\]/g, (sign) => `#${String(sign.codePointAt(0))};`);
}
