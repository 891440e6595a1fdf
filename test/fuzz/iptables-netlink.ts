/** Altered messages of iptables' rules in nf_tables: each is refused with NetlinkError, or read as a rule whose every word is understood. */
import { iptablesNftRule } from '../../core/iptables/netlink/rule-line.ts';
import { parseIptablesRule } from '../../core/iptables/parse-rule.ts';
import {
  isLittleEndian,
  NetlinkAttributes,
  NetlinkError,
  parseNetlinkMessages,
} from '../../core/nftables/netlink/message.ts';
import { recordedIptablesRules, type RecordedRule } from '../support/recorded-iptables-rules.ts';
import { altered } from './netlink.ts';
import type { FuzzTarget } from './targets.ts';

let recorded: readonly RecordedRule[] | undefined;

export const iptablesNetlinkTarget: FuzzTarget = {
  name: 'iptables-netlink',
  run(dice) {
    if (!isLittleEndian) return;
    recorded ??= recordedIptablesRules();
    const { message, family } = dice.of(recorded);
    try {
      for (const { payload } of parseNetlinkMessages(altered(message, dice))) {
        const { line } = iptablesNftRule(new NetlinkAttributes(payload.subarray(4)), family);
        if (parseIptablesRule(line) === undefined) throw new Error(`a rule was made that is not understood: ${line}`);
      }
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
    }
  },
};
