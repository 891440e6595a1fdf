/** Entries of a legacy table as `iptables-save -c` prints them, so that they are parsed as its lines are. */
import { ipProtocolName } from '../../net/ip-protocol.ts';
import { networkAddressText, prefixLength } from './address.ts';
import { extensionText, matchPrinters, targetPrinters, type ExtensionPrinters } from './extensions.ts';
import { entryLayouts, extensionHeader, LegacyTableError, type Entries } from './entries.ts';

/** XT_INV_* of both families; FRAG and TOS are not known here. */
export const invertedBits = {
  inInterface: 0x01,
  outInterface: 0x02,
  source: 0x08,
  destination: 0x10,
  protocol: 0x40,
} as const;
const known =
  invertedBits.inInterface |
  invertedBits.outInterface |
  invertedBits.source |
  invertedBits.destination |
  invertedBits.protocol;
/** IPT_F_GOTO; IP6T_F_PROTO says that the protocol is given, and IP6T_F_GOTO. */
const flagsOf = { IPv4: { goto: 0x02, protocol: 0 }, IPv6: { goto: 0x04, protocol: 0x01 } } as const;

/** -NF_DROP - 1, -NF_ACCEPT - 1, -NF_QUEUE - 1, XT_RETURN */
const verdicts = new Map([
  [-1, 'DROP'],
  [-2, 'ACCEPT'],
  [-4, 'QUEUE'],
  [-5, 'RETURN'],
]);

/** `:CHAIN POLICY [0:0]` of a chain that is registered at a hook. @param policy position of that entry @throws LegacyTableError */
export function hookedChainLine(entries: Entries, name: string, policy: number): string {
  const verdict = verdicts.get(verdictAt(entries, entries.targetOf(policy)));
  if (verdict === undefined) throw new LegacyTableError(`the policy of chain ${name} is not known here`);
  return `:${name} ${verdict} [0:0]`;
}

/** Where the rule jumps or goes to: the position of a chain's first rule. Undefined for other targets. */
export function jumpPosition(entries: Entries, at: number): number | undefined {
  const target = entries.targetOf(at);
  if (entries.byte(target + 2) !== 0) return undefined;
  const verdict = verdictAt(entries, target);
  return verdict < 0 || verdict === entries.next(at) ? undefined : verdict;
}

/**
 * `[PACKETS:BYTES] -A CHAIN …`.
 * @param chainAt the name of the chain whose first rule stands at the position
 * @throws LegacyTableError for an extension that is not known here
 */
export function ruleLine(entries: Entries, chain: string, at: number, chainAt: (position: number) => string): string {
  const { family } = entries;
  const layout = entryLayouts[family];
  const [inverted, flags] = [entries.byte(at + layout.inverted), entries.byte(at + layout.flags)];
  const ownFlags = flagsOf[family];
  if ((inverted & ~known) !== 0 || (flags & ~(ownFlags.goto | ownFlags.protocol)) !== 0)
    throw new LegacyTableError(`a flag of a rule of chain ${chain} is not known here`);
  const size = layout.address;
  const not = (bit: number): string => ((inverted & bit) === 0 ? '' : ' !');
  const words = [
    `[${String(entries.number64(at + layout.counters))}:${String(entries.number64(at + layout.counters + 8))}] -A ${chain}`,
    network('-s', not(invertedBits.source), entries.slice(at, size), entries.slice(at + 2 * size, size), size),
    network(
      '-d',
      not(invertedBits.destination),
      entries.slice(at + size, size),
      entries.slice(at + 3 * size, size),
      size,
    ),
    networkInterface('-i', not(invertedBits.inInterface), entries, at + layout.interfaces),
    networkInterface('-o', not(invertedBits.outInterface), entries, at + layout.interfaces + 16),
    protocol(not(invertedBits.protocol), entries.number16(at + layout.protocol)),
  ];
  const target = entries.targetOf(at);
  for (let match = at + layout.length; match < target; match += entries.number16(match))
    words.push(` -m ${extensionWords(matchPrinters[family], entries, match, target)}`);
  words.push(targetWords(entries, at, target, (flags & ownFlags.goto) !== 0, chainAt));
  return words.join('');
}

function network(option: string, not: string, address: Buffer, mask: Buffer, size: 4 | 16): string {
  const bits = prefixLength(mask);
  if (bits === undefined) throw new LegacyTableError('a mask with a gap is not known here');
  if (bits === 0 && not === '') return '';
  return `${not} ${option} ${networkAddressText(address, 0, size)}/${String(bits)}`;
}

/** The mask, 32 bytes behind the name, covers the zero byte behind it, unless any interface is meant whose name begins so. */
function networkInterface(option: string, not: string, entries: Entries, at: number): string {
  const [name, mask] = [entries.slice(at, 16), entries.slice(at + 32, 16)];
  const covered = mask.indexOf(0) < 0 ? 16 : mask.indexOf(0);
  if (covered === 0) return '';
  const isWhole = name[covered - 1] === 0;
  return `${not} ${option} ${name.toString('latin1', 0, covered - (isWhole ? 1 : 0))}${isWhole ? '' : '+'}`;
}

function protocol(not: string, number: number): string {
  if (number === 0) return '';
  const name = ipProtocolName(number);
  if (name === undefined) throw new LegacyTableError(`the name of protocol ${String(number)} is not known here`);
  return `${not} -p ${name}`;
}

function extensionWords(printers: ExtensionPrinters, entries: Entries, at: number, end: number): string {
  const length = entries.number16(at);
  if (length < extensionHeader || at + length > end)
    throw new LegacyTableError(`the extension at byte ${String(at)} is cut off`);
  return extensionText(printers, {
    name: entries.extensionName(at),
    revision: entries.byte(at + extensionHeader - 1),
    data: entries.slice(at + extensionHeader, length - extensionHeader),
  });
}

function verdictAt(entries: Entries, target: number): number {
  return entries.number32(target + extensionHeader) | 0;
}

/** Of a standard target, whose name is empty: a verdict, a jump to where a chain begins, or nothing where the next entry follows. */
function targetWords(
  entries: Entries,
  at: number,
  target: number,
  isGoto: boolean,
  chainAt: (position: number) => string,
): string {
  const end = entries.next(at) ?? entries.end;
  if (entries.byte(target + 2) !== 0)
    return ` -j ${extensionWords(targetPrinters[entries.family], entries, target, end)}`;
  const verdict = verdictAt(entries, target);
  if (verdict === end) return '';
  if (verdict >= 0) return ` ${isGoto ? '-g' : '-j'} ${chainAt(verdict)}`;
  const name = verdicts.get(verdict);
  if (name === undefined) throw new LegacyTableError(`the verdict ${String(verdict)} is not known here`);
  return ` -j ${name}`;
}
