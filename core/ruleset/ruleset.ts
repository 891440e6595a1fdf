/** All rules of a machine, as dumps hold them: the model that `simulate` evaluates. */
import type { IpSet } from '../ipset/set.ts';
import type { NftRulesetTable } from '../nftables/table.ts';
import type { DumpProblem } from '../dump/lines.ts';
import type { VirtualServer } from '../ipvs/virtual-server.ts';
import type { CalicoMaps } from '../calico/maps.ts';
import type { CiliumMaps } from '../cilium/maps.ts';
import type { IptablesRuleset } from '../iptables/ruleset.ts';

export type { NftRulesetTable } from '../nftables/table.ts';

export interface Ruleset {
  readonly iptables: readonly IptablesRuleset[];
  readonly nftables: readonly NftRulesetTable[];
  readonly ipSets: readonly IpSet[];
  readonly virtualServers: readonly VirtualServer[];
  /** Absent where no map of Cilium was dumped. */
  readonly cilium?: CiliumMaps;
  /** Absent where no map of Calico was dumped. */
  readonly calico?: CalicoMaps;
  /** What could not be read of the dumps, and is not in the rest. */
  readonly problems: readonly DumpProblem[];
}

/** Thrown where a dump cannot be read: the line, and what is wrong with it. */
export class RulesetError extends Error {
  override readonly name = 'RulesetError';
}
