/** Names of the domain name system. */

/** RFC 1035, 2.3.4: a label has at most 63 octets, a name 255 with the lengths of its labels, which is 253 in text. */
export function canBeAsked(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => label.length >= 1 && label.length <= 63);
}
