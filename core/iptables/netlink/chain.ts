/** Chains of iptables' tables in nf_tables, from the kernel's attributes. */
import { iptablesTables, netfilterHooks } from '../../net/netfilter.ts';
import { NetlinkError, type NetlinkAttributes } from '../../nftables/netlink/message.ts';

export interface IptablesNftChain {
  readonly name: string;
  /** Of one that is registered at a hook. */
  readonly policy?: 'ACCEPT' | 'DROP';
  /** Its own rules, and those that jump to it. */
  readonly uses: number;
}

/** NFTA_CHAIN_ */
const attribute = {
  table: 1,
  handle: 2,
  name: 3,
  hook: 4,
  policy: 5,
  use: 6,
  type: 7,
  counters: 8,
  padding: 9,
  flags: 10,
  userData: 12,
} as const;
/** NFT_CHAIN_BASE: it is registered at a hook. */
const baseFlag = 1;

/** Of NFT_MSG_NEWCHAIN. Throws NetlinkError for one that iptables-nft does not know: at another hook than its built-in one. */
export function iptablesNftChain(attributes: NetlinkAttributes, table: string): IptablesNftChain {
  attributes.requireOnly(Object.values(attribute));
  const [name, uses] = [attributes.string(attribute.name), attributes.number(attribute.use)];
  if (name === undefined || uses === undefined) throw new NetlinkError('a chain has no name, or no count of its uses');
  if (((attributes.number(attribute.flags) ?? 0) & ~baseFlag) !== 0)
    throw new NetlinkError(`the flags of chain ${name} are not known`);
  const hook = attributes.nested(attribute.hook);
  if (hook === undefined) return { name, uses };
  hook.requireOnly([1, 2]);
  const builtIn = iptablesTables.get(table)?.get(name);
  const [number, priority, policy] = [hook.number(1), hook.number(2), attributes.number(attribute.policy)];
  const type = table === 'nat' ? 'nat' : table === 'mangle' && name === 'OUTPUT' ? 'route' : 'filter';
  if (
    builtIn === undefined ||
    netfilterHooks[number ?? NaN] !== builtIn.hook ||
    priority === undefined ||
    (priority | 0) !== builtIn.priority ||
    attributes.string(attribute.type) !== type ||
    (policy !== 0 && policy !== 1)
  )
    throw new NetlinkError(`chain ${name} is not at the hook of iptables' own`);
  return { name, uses, policy: policy === 0 ? 'DROP' : 'ACCEPT' };
}
