/** The endpoints that `explain` and the report page do not write out, for their rules are alike. */
import {
  clientKinds,
  type AlikeEndpoint,
  type AlikeEndpoints,
  type ClientKind,
  type RuleExplanation,
} from '../../core/explain/explanation.ts';
import { plural } from '../../core/lib/plural.ts';
import type { ResultTable } from './result-tables.ts';
import { cell, type Cell } from './tone.ts';
import { percentText } from './words.ts';

/** Who a kind of client is, behind `connections from`. */
export const clientKindTexts: Readonly<Record<ClientKind, string>> = {
  pod: 'other pods',
  node: 'the node itself',
  outside: 'clients outside',
  endpoint: "the node's own endpoints",
};

export function alikeText({ writtenOut, others }: AlikeEndpoints): string {
  return `The rules for ${plural(others.length, 'other endpoint')} are like those for ${writtenOut}:`;
}

export function alikeTable({ others }: AlikeEndpoints): ResultTable {
  const hasPods = others.some(({ pod }) => pod !== undefined);
  return {
    columns: [
      { title: 'ENDPOINT' },
      ...(hasPods ? [{ title: 'POD', least: 8, cut: 'middle' as const }] : []),
      { title: 'SHARE' },
      { title: 'PACKETS', align: 'right' as const },
    ],
    rows: others.map((other): Cell[] => [
      cell(other.endpoint),
      ...(hasPods ? [cell(other.pod ?? '')] : []),
      cell(shareText(other)),
      cell(other.packets === undefined ? 'not counted' : String(other.packets)),
    ]),
  };
}

/** Of the connections to a frontend; each kind of client by itself where they differ. */
function shareText({ shares, endpointShare }: AlikeEndpoint): string {
  if (shares === undefined) return percentText(endpointShare);
  const known = clientKinds.flatMap((kind) => {
    const share = shares[kind];
    return share === undefined ? [] : [{ kind, text: partText(share) }];
  });
  const [first] = known;
  if (first === undefined) return 'none';
  // Only endpoints of the node itself are walked as clients: not every program has them.
  const isOne = known.every(({ text }) => text === first.text) && everybody.every((kind) => shares[kind] !== undefined);
  return isOne ? first.text : known.map(({ kind, text }) => `${text} of ${clientKindTexts[kind]}`).join(', ');
}

const everybody = ['pod', 'node', 'outside'] as const;

type PartShare = NonNullable<RuleExplanation['shares']>[ClientKind];

/** `some` where the share is not known. */
export function partText(share: PartShare): string {
  return share === 'unknown' ? 'some' : percentText(share);
}
