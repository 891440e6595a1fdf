/** Rules that iptables-nft wrote, as test/fixtures/record-iptables-netlink.ts recorded them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Family } from '../../core/net/family.ts';

export interface RecordedRule {
  readonly family: Family;
  readonly table: string;
  /** Of `iptables-nft-save -c`. */
  readonly line: string;
  /** NFT_MSG_NEWRULE, of a little-endian machine. */
  readonly message: Buffer;
}

export function recordedIptablesRules(): RecordedRule[] {
  const rules: RecordedRule[] = [];
  let place: Pick<RecordedRule, 'family' | 'table'> | undefined;
  let line: string | undefined;
  for (const each of readFileSync(fileURLToPath(new URL('../fixtures/netlink/iptables.txt', import.meta.url)), 'utf8')
    .trim()
    .split('\n')) {
    const text = each.slice(2);
    if (each.startsWith('# ')) {
      const [family, table = ''] = text.split(' ');
      place = { family: family === 'IPv6' ? 'IPv6' : 'IPv4', table };
    } else if (each.startsWith('= ')) line = text;
    else if (place !== undefined && line !== undefined)
      rules.push({ ...place, line, message: Buffer.from(text, 'hex') });
  }
  return rules;
}
