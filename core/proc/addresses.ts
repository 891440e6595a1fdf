/**
 * A node's own addresses by /proc, those of interfaces that are down too (kube-ipvs0): the kernel takes packets to them
 * all the same. Sources: net/ipv4/fib_trie.c fib_trie_seq_show; net/ipv6/addrconf.c if6_seq_show.
 */
import { canonicalAddress } from '../net/address.ts';

/** The local addresses of /proc/net/fib_trie: a leaf `|-- 10.96.0.7` under which stands `/32 host LOCAL`. */
export function parseLocalAddresses(fibTrie: string): Set<string> {
  const addresses = new Set<string>();
  let leaf: string | undefined;
  for (const line of fibTrie.split('\n')) {
    const [, address] = /^\s*\|-- (\d+\.\d+\.\d+\.\d+)$/.exec(line) ?? [];
    if (address !== undefined) leaf = canonicalAddress(address);
    else if (leaf !== undefined && /^\s*\/32 host LOCAL\b/.test(line)) addresses.add(leaf);
  }
  return addresses;
}

/** Addresses by interface of /proc/net/if_inet6: `fd000000000000000000000000000007 05 80 00 80       eth0`. */
export function parseIfInet6(text: string): { readonly address: string; readonly name: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, hex, name] = /^([0-9a-f]{32}) [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ [0-9a-f]+\s+(\S+)$/.exec(line.trim()) ?? [];
    const address = hex === undefined ? undefined : canonicalAddress((hex.match(/.{4}/g) ?? []).join(':'));
    return address === undefined || name === undefined ? [] : [{ address, name }];
  });
}
