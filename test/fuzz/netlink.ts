/**
 * Altered messages of nf_tables: each is refused with NetlinkError, or read as statements that are all understood; the
 * parts of a rule that are not known are never passed over.
 */
import {
  isLittleEndian,
  NetlinkAttributes,
  NetlinkError,
  parseNetlinkMessages,
} from '../../core/nftables/netlink/message.ts';
import { parseNftElements, parseNftRules } from '../../core/nftables/parse-json-rule.ts';
import { netlinkRuleJson } from '../../core/nftables/netlink/rule.ts';
import { netlinkElementsJson, parseNetlinkSet, type NetlinkSet } from '../../core/nftables/netlink/set.ts';
import { messagesOf, recordedAnswers } from '../support/recorded-kernel.ts';
import type { Dice } from './dice.ts';
import type { FuzzTarget } from './targets.ts';

/** enum nf_tables_msg_types, behind NFNL_SUBSYS_NFTABLES. */
const [newRule, newSet, newElements] = [6, 9, 12].map((number) => (10 << 8) | number);

interface Recorded {
  readonly messages: readonly Uint8Array[];
  readonly sets: ReadonlyMap<string, NetlinkSet>;
  readonly elements: ReadonlyMap<string, readonly unknown[]>;
}

let recorded: Recorded | undefined;

/** Those of IPv4; the record is of a little-endian machine. */
function record(): Recorded {
  if (recorded !== undefined) return recorded;
  const messages = [...recordedAnswers().values()]
    .flat()
    .flatMap(messagesOf)
    .filter((message) => [newRule, newSet, newElements].includes(message.readUInt16LE(4)) && message[16] === 2);
  const attributes = (type: number | undefined): NetlinkAttributes[] =>
    messages
      .filter((message) => message.readUInt16LE(4) === type)
      .map((message) => new NetlinkAttributes(message.subarray(20)));
  const sets = new Map(
    attributes(newSet)
      .map(parseNetlinkSet)
      .map((set) => [set.name, set]),
  );
  const elements = new Map<string, readonly unknown[]>();
  for (const each of attributes(newElements)) {
    const set = sets.get(each.string(2) ?? '');
    if (set?.isAnonymous === true)
      elements.set(set.name, [...(elements.get(set.name) ?? []), ...netlinkElementsJson(set, [each])]);
  }
  return (recorded = { messages, sets, elements });
}

export function altered(message: Uint8Array, dice: Dice): Uint8Array {
  const bytes = Uint8Array.from(message);
  for (let edits = 1 + dice.below(4); edits > 0; edits -= 1) {
    const at = dice.below(bytes.length);
    if (dice.below(3) === 0) bytes.copyWithin(at, dice.below(bytes.length), at + 1 + dice.below(24));
    else bytes[at] = dice.of([0, 1, 0xff, dice.below(256), (bytes[at] ?? 0) ^ (1 << dice.below(8))]);
  }
  return dice.below(8) === 0 ? bytes.subarray(0, dice.below(bytes.length)) : bytes;
}

function read(bytes: Uint8Array, { sets, elements }: Recorded): void {
  for (const { type, payload } of parseNetlinkMessages(bytes)) {
    const attributes = new NetlinkAttributes(payload.subarray(4));
    if (type === newRule) {
      const statements = parseNftRules([
        netlinkRuleJson(attributes, { family: 'IPv4', table: 'kube-proxy', sets, elements }),
      ]).flatMap((rule) => rule.statements);
      const foreign = statements.find(({ kind }) => kind === 'unrecognized');
      if (foreign !== undefined)
        throw new Error(`a statement was made that is not understood: ${JSON.stringify(foreign)}`);
    } else if (type === newSet) {
      parseNetlinkSet(attributes);
    } else if (type === newElements) {
      const set = sets.get(attributes.string(2) ?? '');
      if (set !== undefined && parseNftElements(netlinkElementsJson(set, [attributes])) === undefined)
        throw new Error(`an element of ${set.name} was made that is not understood`);
    }
  }
}

export const netlinkTarget: FuzzTarget = {
  name: 'netlink',
  run(dice) {
    if (!isLittleEndian) return;
    const all = record();
    try {
      read(altered(dice.of(all.messages), dice), all);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
    }
  },
};
