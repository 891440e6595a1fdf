/** The words of nft's text in one spelling: what is meant is compared, not how it was written. */
import { nftPriorityOf } from '../../core/nftables/parse-text.ts';

const synonyms = new Map(
  Object.entries({
    or: '|',
    and: '&',
    xor: '^',
    lshift: '<<',
    rshift: '>>',
    6: 'tcp',
    17: 'udp',
    58: 'ipv6-icmp',
    132: 'sctp',
    1: 'icmp',
    2: 'igmp',
    33: 'dccp',
    47: 'gre',
    50: 'esp',
    51: 'ah',
    136: 'udplite',
  }),
);
/** Words that may be left out without another meaning. */
const silent = new Set(['meta', '==', 'until', 'num', 'to', 'offload', 'add', 'exthdr', '/', 'elements', '=']);

export function nftWords(lines: readonly string[]): string[] {
  return lines.flatMap((raw) => {
    const line = raw.trim();
    const words = line
      .replace(/ # handle \d+$/, '')
      .replace(/^(size \d+) # count \d+$/, '$1')
      .replace(
        / priority (\w+ [+-] \d+);/g,
        (whole, priority: string) => ` priority ${String(nftPriorityOf(priority, 'ip') ?? whole)};`,
      )
      .replace(/\breject with icmp(?:v6|x)? (?:type )?port-unreachable\b/g, 'reject')
      .replace(/\b(with icmp(?:v6|x)?)\s+type\s/g, '$1 ')
      .replace(/ burst (?:5 packets|0 \w*bytes)\b/g, '')
      .replace(/ used 0 \w*bytes\b/g, '')
      .replace(/\blast used never\b/g, 'last')
      .replace(
        /\b(\d+) +([km])bytes\b(?!\/)/g,
        (_all, count: string, unit: string) => `${String(Number(count) * (unit === 'k' ? 1024 : 1024 * 1024))} bytes`,
      );
    return [...words.matchAll(/"[^"]*"|[|&^]|[<>=!]+|[^\s{}(),;|&^"<>=!]+/g)]
      .map(([word]) => spelled(word))
      .filter((word) => word !== '' && !silent.has(word));
  });
}

/** Of base chains; a word is the same as its number wherever it stands, for a truncated line may be read as anything. */
const priorities = ['raw', 'mangle', 'dstnat', 'filter', 'security', 'srcnat'];

function spelled(word: string): string {
  const bare = word.replace(/^"|"$|[[\]]/g, '');
  if (priorities.includes(bare)) return String(nftPriorityOf(bare, 'ip'));
  const number = bare.replace(/\b(?:0x[0-9a-f]+|\d+)\b/gi, (digits) => String(Number(digits))).replace(/^-0$/, '0');
  return synonyms.get(number) ?? number.replace(/(?<![\w.:])(?:\d+(?:ms|[wdhms]))+(?![\w.:])/g, seconds);
}

function seconds(duration: string): string {
  const units = new Map(Object.entries({ w: 604800, d: 86400, h: 3600, m: 60, s: 1, ms: 0.001 }));
  return String(
    Math.floor(
      [...duration.matchAll(/(\d+)(ms|[wdhms])/g)].reduce(
        (sum, [, count, unit]) => sum + Number(count) * (units.get(unit ?? '') ?? 0),
        0,
      ),
    ),
  );
}
