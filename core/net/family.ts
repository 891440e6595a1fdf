/** IP families and the protocols of Services. */
export type Family = 'IPv4' | 'IPv6';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** The family of an address in text; an address with a colon is IPv6. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}
