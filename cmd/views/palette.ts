/** The commands that `:` offers, found by any of their letters. */
import fuzzysort from 'fuzzysort';
import type { KeyAction } from './keys.ts';
import { nodesOf, views, type LiveState } from './state/live-state.ts';
import { nodeSorts } from './state/node-order.ts';

export interface PaletteCommand {
  readonly name: string;
  readonly meaning: string;
  readonly action: KeyAction;
}

/** The best first; all where nothing is typed. */
export function matchCommands(state: Pick<LiveState, 'trace'>, text: string): PaletteCommand[] {
  const commands = commandsOf(state);
  if (text.trim() === '') return commands;
  return fuzzysort.go(text.trim(), commands, { key: 'name', limit: 50, threshold: 0 }).map(({ obj }) => obj);
}

const meanings: Readonly<Record<(typeof views)[number], string>> = {
  path: 'the path on one node: frontends and DNAT targets',
  nodes: 'one row a node',
  rules: 'the chains of one node',
  conntrack: 'the conntrack entries of one node',
  findings: 'what is wrong, with evidence and advice',
  timeline: 'what changed since this view was opened',
  walk: "one client's packet, step by step",
  logs: "the logs of the Service's pods, followed",
};

function commandsOf(state: Pick<LiveState, 'trace'>): PaletteCommand[] {
  return [
    ...views.map((view): PaletteCommand => ({ name: view, meaning: meanings[view], action: { type: 'show', view } })),
    ...nodeSorts.map((column): PaletteCommand => ({
      name: `sort ${column}`,
      meaning: `nodes by ${column}; again: the other way round`,
      action: { type: 'sortBy', column },
    })),
    { name: 'group', meaning: 'nodes with the same program together', action: { type: 'toggleGrouping' } },
    { name: 'backends', meaning: 'conntrack: one row for each backend', action: { type: 'toggleByBackend' } },
    { name: 'fold all', meaning: 'fold or open everything', action: { type: 'foldEverything' } },
    {
      name: 'explain',
      meaning: 'rules: show or hide what the chosen rule does',
      action: { type: 'toggleExplanation' },
    },
    {
      name: 'client',
      meaning: 'choose the client whose packet is walked',
      action: { type: 'openInput', kind: 'client' },
    },
    { name: 'filter', meaning: 'filter the rows of this view', action: { type: 'openInput', kind: 'filter' } },
    { name: 'follow', meaning: 'logs: follow the newest line, or stay', action: { type: 'toggleTail' } },
    { name: 'copy', meaning: 'copy the row', action: { type: 'copy' } },
    { name: 'save', meaning: 'save what is seen to a bundle', action: { type: 'save' } },
    { name: 'help', meaning: 'the keys', action: { type: 'toggleHelp' } },
    { name: 'quit', meaning: 'leave', action: { type: 'quit' } },
    ...nodesOf(state).map(({ name }): PaletteCommand => ({
      name: `node ${name}`,
      meaning: 'choose this node',
      action: { type: 'selectNode', node: name },
    })),
  ];
}
