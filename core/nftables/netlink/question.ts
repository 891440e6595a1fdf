/**
 * Questions to the kernel's nf_tables over netlink, most of which `nft` has no words for: one chain, the rules of one
 * chain, one set, one element by its key (net/netfilter/nf_tables_api.c; include/uapi/linux/netfilter/nf_tables.h). Each
 * is one of the kernel's NFT_MSG_GET… messages, and changes nothing. It costs what it asks for; a set costs the kernel a
 * walk along the list of the table's sets besides.
 */
import {
  joinBytes,
  nestedAttribute,
  netlinkAttribute,
  netlinkMessage,
  NetlinkError,
  padded,
  type NetlinkMessage,
} from './message.ts';
import type { Family } from '../../net/family.ts';

/** NFPROTO_, by the words of nft. */
export const nftFamilies = { ip: 2, ip6: 10, inet: 1, arp: 3, bridge: 7, netdev: 5 } as const;
export type NftFamily = keyof typeof nftFamilies;

export type NftQuestion =
  /** The generation of the ruleset; every other answer carries it too. */
  | { readonly ask: 'generation' }
  /** All tables of one of nft's families. */
  | { readonly ask: 'tables'; readonly family: NftFamily }
  /** ENOENT where it is not there; so of a chain, a set, and an element of this key. */
  | { readonly ask: 'table' }
  | { readonly ask: 'chain'; readonly chain: string }
  /** No rules where the chain is not there. */
  | { readonly ask: 'rules'; readonly chain: string }
  | { readonly ask: 'set'; readonly set: string }
  /** All elements of a set. */
  | { readonly ask: 'elements'; readonly set: string }
  | { readonly ask: 'element'; readonly set: string; readonly key: Uint8Array };

/** enum nf_tables_msg_types: NFT_MSG_GET… that asks, and NFT_MSG_NEW… that answers. */
const messages: Readonly<Record<NftQuestion['ask'], { readonly get: number; readonly answer: number }>> = {
  tables: { get: 1, answer: 0 },
  table: { get: 1, answer: 0 },
  chain: { get: 4, answer: 3 },
  rules: { get: 7, answer: 6 },
  set: { get: 10, answer: 9 },
  elements: { get: 13, answer: 12 },
  element: { get: 13, answer: 12 },
  generation: { get: 16, answer: 15 },
};

/** NFNL_SUBSYS_NFTABLES, in the high byte of a message's type. */
const subsystem = 10;

/** The types of all messages that may be sent: those that only ask. */
export const askingMessageTypes: readonly number[] = [
  ...new Set(Object.values(messages).map(({ get }) => (subsystem << 8) | get)),
];

/** NLM_F_REQUEST, and NLM_F_ACK, so that the end of each answer is seen; NLM_F_DUMP ends by itself. */
const [requestAndAcknowledge, requestAndDump] = [0x1 | 0x4, 0x1 | 0x300];
const dumps: ReadonlySet<NftQuestion['ask']> = new Set(['tables', 'rules', 'elements']);

export function nftQuestionMessage(question: NftQuestion, family: Family, table: string, sequence: number): Uint8Array {
  const isDump = dumps.has(question.ask);
  // struct nfgenmsg: family, version 0, resource 0.
  const header = new Uint8Array([
    nftFamilies[question.ask === 'tables' ? question.family : family === 'IPv4' ? 'ip' : 'ip6'],
    0,
    0,
    0,
  ]);
  const type = (subsystem << 8) | messages[question.ask].get;
  return netlinkMessage(
    type,
    isDump ? requestAndDump : requestAndAcknowledge,
    sequence,
    joinBytes([header, ...attributesOf(question, table)]),
  );
}

/** The table is attribute 1 of each message. */
function attributesOf(question: NftQuestion, table: string): Uint8Array[] {
  const own = netlinkAttribute(1, table);
  switch (question.ask) {
    case 'generation':
    case 'tables':
      return [];
    case 'table':
      return [own];
    case 'chain':
      return [own, netlinkAttribute(3, question.chain)];
    case 'rules':
      return [own, netlinkAttribute(2, question.chain)];
    case 'set':
    case 'elements':
      return [own, netlinkAttribute(2, question.set)];
    case 'element': {
      // NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE.
      const element = nestedAttribute(1, nestedAttribute(1, netlinkAttribute(1, question.key)));
      return [own, netlinkAttribute(2, question.set), nestedAttribute(3, element)];
    }
  }
}

/** An answer of nf_tables. */
export interface NftAnswer {
  /** The low 16 bits of the ruleset's generation. */
  readonly generation: number;
  readonly attributes: Uint8Array;
}

/** Throws NetlinkError for a message that does not answer this question. */
export function parseNftAnswer(ask: NftQuestion['ask'], { type, payload }: NetlinkMessage): NftAnswer {
  if (type !== ((subsystem << 8) | messages[ask].answer) || payload.length < 4)
    throw new NetlinkError(`a message of the type ${String(type)} does not answer what was asked (${ask})`);
  return { generation: ((payload[2] ?? 0) << 8) | (payload[3] ?? 0), attributes: payload.subarray(4) };
}

/** A key of several fields: each begins at a multiple of four bytes. */
export function concatenatedKey(fields: readonly Uint8Array[]): Uint8Array {
  const [only] = fields;
  if (fields.length === 1 && only !== undefined) return only;
  return joinBytes(fields.map((field) => joinBytes([field, new Uint8Array(padded(field.length) - field.length)])));
}
