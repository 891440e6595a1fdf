/** ICMP's types by the names of nft (nft describe icmp_type). */
const numbersByName: ReadonlyMap<string, number> = new Map(
  Object.entries({
    'echo-reply': 0,
    'destination-unreachable': 3,
    'source-quench': 4,
    redirect: 5,
    'echo-request': 8,
    'router-advertisement': 9,
    'router-solicitation': 10,
    'time-exceeded': 11,
    'parameter-problem': 12,
    'timestamp-request': 13,
    'timestamp-reply': 14,
    'info-request': 15,
    'info-reply': 16,
    'address-mask-request': 17,
    'address-mask-reply': 18,
  }),
);

/** Undefined for a word that names none, a number among them. */
export function icmpTypeNumber(name: string): number | undefined {
  return numbersByName.get(name);
}
