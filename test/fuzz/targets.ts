/** What is fuzzed. A target throws where its promise is broken. */
import type { Dice } from './dice.ts';
import { iptablesTarget } from './iptables.ts';
import { iptablesNetlinkTarget } from './iptables-netlink.ts';
import { netlinkTarget } from './netlink.ts';
import { lineDumpTargets } from './line-dumps.ts';
import { mapsTarget } from './maps.ts';
import { nftTarget } from './nft.ts';

export { Dice } from './dice.ts';

export interface FuzzTarget {
  readonly name: string;
  /** One case. */
  run(dice: Dice): void;
}

export const fuzzTargets: readonly FuzzTarget[] = [
  iptablesTarget,
  iptablesNetlinkTarget,
  netlinkTarget,
  nftTarget,
  mapsTarget,
  ...lineDumpTargets,
];
