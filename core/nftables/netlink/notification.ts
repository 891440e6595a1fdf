/**
 * What the kernel reports of a transaction of nf_tables (NFNLGRP_NFTABLES): what was added and removed, and NFT_MSG_NEWGEN at its end
 * (net/netfilter/nf_tables_api.c; include/uapi/linux/netfilter/nf_tables.h).
 */
import { NetlinkAttributes, type NetlinkMessage } from './message.ts';

export interface NftNotice {
  readonly kind: 'table' | 'chain' | 'rule' | 'set' | 'element';
  readonly isRemoved: boolean;
  /** `FAMILY TABLE NAME`: of the chain or set that it is or belongs to. */
  readonly place: string;
  /** Equal where the kernel was given the same. Counters and handles are left out. */
  readonly content: string;
}

/** NFNL_SUBSYS_NFTABLES in the high byte; NFT_MSG_NEW… and NFT_MSG_DEL… in the low one. */
const subsystem = 10;
const kinds: Readonly<Record<number, readonly [kind: NftNotice['kind'], isRemoved: boolean]>> = {
  0: ['table', false],
  2: ['table', true],
  3: ['chain', false],
  5: ['chain', true],
  6: ['rule', false],
  8: ['rule', true],
  9: ['set', false],
  11: ['set', true],
  12: ['element', false],
  14: ['element', true],
};

/** By kind: the attribute with the name of the chain or set, and those that say what it is. */
const parts: Readonly<Record<NftNotice['kind'], { readonly name: number; readonly content: readonly number[] }>> = {
  table: { name: 1, content: [] },
  chain: { name: 3, content: [4, 5, 7] },
  rule: { name: 2, content: [7] },
  set: { name: 2, content: [] },
  element: { name: 2, content: [3] },
};

/** Undefined for what is neither of these. @throws NetlinkError */
export function parseNftNotice({ type, payload }: NetlinkMessage): NftNotice | undefined {
  const [kind, isRemoved] = (type >> 8 === subsystem ? kinds[type & 0xff] : undefined) ?? [];
  if (kind === undefined || isRemoved === undefined) return undefined;
  const attributes = new NetlinkAttributes(payload.subarray(4));
  const { name, content } = parts[kind];
  const texts = content.map((each) => hex(attributes.bytes(each) ?? new Uint8Array()));
  return {
    kind,
    isRemoved,
    place: [String(payload[0] ?? 0), attributes.string(1) ?? '', attributes.string(name) ?? ''].join(' '),
    content: [...(kind === 'rule' ? expressions(attributes) : []), ...texts].join(' '),
  };
}

/** NFTA_RULE_EXPRESSIONS 4: a list of name 1 and data 2, of which a counter's data count packets. */
function expressions(rule: NetlinkAttributes): string[] {
  return (rule.nested(4)?.all(1) ?? []).map((bytes) => {
    const expression = new NetlinkAttributes(bytes);
    const name = expression.string(1) ?? '';
    return name === 'counter' ? name : `${name} ${hex(expression.bytes(2) ?? new Uint8Array())}`;
  });
}

/** Whether these leave something else behind than was there: what is written again as it was does not. */
export function leavesDifference(notices: readonly NftNotice[]): boolean {
  const balance = new Map<string, number>();
  for (const { kind, isRemoved, place, content } of notices) {
    const key = `${kind} ${place} ${content}`;
    balance.set(key, (balance.get(key) ?? 0) + (isRemoved ? -1 : 1));
  }
  return [...balance.values()].some((count) => count !== 0);
}

/** The end of a transaction; program: the first 15 letters of the name of who committed it. @throws NetlinkError */
export function parseNewGeneration({ payload }: NetlinkMessage): {
  readonly generation: number | undefined;
  readonly program: string | undefined;
} {
  const attributes = new NetlinkAttributes(payload.subarray(4));
  return { generation: attributes.number(1), program: attributes.string(3) };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
