/** The picture in the language of Graphviz (https://graphviz.org/doc/info/lang.html). */
import { lineText, type Diagram, type DiagramBox } from './diagram.ts';

export function printDot({ title, groups, boxes, arrows, findings, notes }: Diagram): string {
  const box = ({ id, title: heading, lines, tone }: DiagramBox): string => {
    const label = `<B>${escape(heading)}</B>${lines.map((line) => `<BR ALIGN="LEFT"/>${escape(lineText(line))}`).join('')}<BR ALIGN="LEFT"/>`;
    const look =
      tone === 'error' ? ', color="#cc0000", penwidth=3' : tone === 'warning' ? ', color="#bb6600", style=dashed' : '';
    return `${quote(id)} [label=<${label}>${look}];`;
  };
  const below = [...findings.map(({ text }) => text), ...notes];
  const lines = [
    `digraph ${quote(title)} {`,
    '  rankdir=LR;',
    `  label=${quote([title, ...below].join('\n'))};`,
    '  labelloc=t; labeljust=l; fontname="monospace";',
    '  node [shape=box, fontname="monospace", fontsize=10];',
    '  edge [fontname="monospace", fontsize=9];',
    ...boxes.filter(({ group }) => group === undefined).map((each) => `  ${box(each)}`),
  ];
  for (const { id, title: heading } of groups) {
    const own = boxes.filter(({ group }) => group === id);
    if (own.length > 0)
      lines.push(
        `  subgraph ${quote(`cluster_${id}`)} {`,
        `    label=${quote(heading)};`,
        ...own.map((each) => `    ${box(each)}`),
        '  }',
      );
  }
  for (const { from, to, label } of arrows)
    lines.push(`  ${quote(from)} -> ${quote(to)}${label === undefined ? '' : ` [label=${quote(label)}]`};`);
  return `${[...lines, '}'].join('\n')}\n`;
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\l')}"`;
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
