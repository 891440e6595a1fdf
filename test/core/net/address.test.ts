import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { addressSet, canonicalAddress, comparableAddress, isSameAddress } from '../../../core/net/address.ts';

/** One address in several spellings. */
const written = fc.oneof(
  fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((bytes) => [bytes.join('.')]),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
    const address = new ipaddr.IPv6([...bytes]);
    return [address.toString(), address.toNormalizedString(), address.toString().toUpperCase()];
  }),
);

describe('comparableAddress', () => {
  it('is the same for all texts of an address, and the canonical one', () => {
    fc.assert(
      fc.property(written, (texts) => {
        for (const text of texts) expect(comparableAddress(text)).toBe(canonicalAddress(texts[0] ?? ''));
      }),
    );
  });

  it.each([
    ['010.0.0.1', '8.0.0.1'],
    ['10.1', '10.0.0.1'],
    ['256.0.0.1', '256.0.0.1'],
    ['10.0.0.1.', '10.0.0.1.'],
    ['10..0.1', '10..0.1'],
    ['10.0.0.0.1', '10.0.0.0.1'],
    ['10.0.0.00', '10.0.0.0'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['10.0.0.1x', '10.0.0.1x'],
    ['pod-1', 'pod-1'],
    ['', ''],
  ])('takes only plain IPv4 as it is: %s', (text, comparable) => {
    expect(comparableAddress(text)).toBe(comparable);
  });
});

describe('addressSet', () => {
  it('has what isSameAddress finds in the list', () => {
    fc.assert(
      fc.property(fc.array(written), written, (list, asked) => {
        const addresses = list.map((texts) => texts.at(-1) ?? '');
        const text = asked[0] ?? '';
        expect(addressSet(addresses).has(text)).toBe(addresses.some((each) => isSameAddress(each, text)));
        for (const texts of list) for (const each of texts) expect(addressSet(addresses).has(each)).toBe(true);
      }),
    );
  });
});
