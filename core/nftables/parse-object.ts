/** What a named counter, quota, limit and the like hold, by the field names of nft's JSON. */
import { isNftBurstUnit, type NftObjectKind } from './rule.ts';
import { secondsOf } from './parse-expression.ts';
import { NftTokens } from './tokens.ts';

type Fields = Record<string, unknown>;

const unitBytes = new Map(Object.entries({ bytes: 1, kbytes: 1024, mbytes: 1024 * 1024 }));

/** @param lines within its braces, its comment left out; undefined where one is not understood */
export function objectFields(kind: NftObjectKind, lines: readonly string[]): Fields | undefined {
  const fields: Fields = {};
  const seen = new Set<string>();
  for (const line of lines) {
    const tokens = new NftTokens(line);
    while (!tokens.isDone) {
      const word = tokens.word();
      // A second one would take the first one's place.
      if (seen.has(word) || !readField(kind, tokens, fields)) return undefined;
      seen.add(word);
    }
  }
  // The text leaves out what the JSON says.
  if (kind === 'quota' && !Object.hasOwn(fields, 'used')) fields['used'] = 0;
  return fields;
}

function readField(kind: NftObjectKind, tokens: NftTokens, fields: Fields): boolean {
  const word = tokens.next()?.text ?? '';
  switch (`${kind} ${word}`) {
    case 'counter packets':
    case 'counter bytes':
    case 'ct expectation dport':
    case 'ct expectation size':
    case 'synproxy mss':
    case 'synproxy wscale':
      fields[word] = tokens.number();
      return fields[word] !== undefined;
    case 'quota over':
      fields['inv'] = true;
      return readQuota(tokens, tokens.number(), 'bytes', fields);
    case 'quota used':
      return readQuota(tokens, tokens.number(), 'used', fields);
    case 'limit rate':
      return readRate(tokens, fields);
    case 'ct helper type':
    case 'ct helper protocol':
    case 'ct helper l3proto':
    case 'ct timeout protocol':
    case 'ct timeout l3proto':
    case 'ct expectation protocol':
    case 'ct expectation l3proto':
      fields[word] = tokens.name();
      return fields[word] !== undefined;
    case 'ct expectation timeout': {
      // nft's JSON has it in milliseconds.
      const seconds = secondsOf(tokens.word());
      tokens.next();
      fields['timeout'] = seconds === undefined ? undefined : seconds * 1000;
      return seconds !== undefined;
    }
    case 'ct timeout policy':
      return readPolicy(tokens, fields);
    case 'synproxy timestamp':
    case 'synproxy sack-perm':
      fields['flags'] = [...(Array.isArray(fields['flags']) ? (fields['flags'] as readonly unknown[]) : []), word];
      return true;
    default:
      return kind === 'quota' && /^\d+$/.test(word)
        ? readQuota(tokens, Number(word), 'bytes', fields)
        : kind === 'secmark'
          ? readContext(word, fields)
          : false;
  }
}

function readQuota(tokens: NftTokens, value: number | undefined, field: string, fields: Fields): boolean {
  const unit = unitBytes.get(tokens.word());
  if (value === undefined || unit === undefined || Object.hasOwn(fields, field)) return false;
  tokens.next();
  fields[field] = value * unit;
  return true;
}

/** `rate over 10 mbytes/second burst 5 kbytes`, behind `rate`. */
function readRate(tokens: NftTokens, fields: Fields): boolean {
  if (tokens.take('over')) fields['inv'] = true;
  const first = tokens.next()?.text ?? '';
  const [, inPackets, per] = /^(\d+)\/([a-z]+)$/.exec(first) ?? [];
  const [, unit, unitPer] =
    inPackets === undefined ? (/^([a-z]+)\/([a-z]+)$/.exec(tokens.next()?.text ?? '') ?? []) : [];
  if ((per === undefined && unitPer === undefined) || !/^\d+$/.test(inPackets ?? first)) return false;
  fields['rate'] = Number(inPackets ?? first);
  fields['per'] = per ?? unitPer;
  if (unit !== undefined) fields['rate_unit'] = unit;
  if (!tokens.take('burst')) {
    if (unit === undefined) fields['burst'] = 5;
    return true;
  }
  fields['burst'] = tokens.number();
  const burstUnit = tokens.name();
  if (burstUnit !== 'packets') fields['burst_unit'] = burstUnit;
  return fields['burst'] !== undefined && burstUnit !== undefined && isNftBurstUnit(burstUnit, unit);
}

/** `= { established : 100, close : 4 }`; newer versions write `100s`. */
function readPolicy(tokens: NftTokens, fields: Fields): boolean {
  if (!tokens.take('=') || !tokens.take('{')) return false;
  const policy = new Map<string, number>();
  while (!tokens.take('}')) {
    const state = tokens.name()?.replace(/:$/, '');
    tokens.take(':');
    const seconds = tokens.number() ?? secondsOf(tokens.word());
    if (state === undefined || seconds === undefined || policy.has(state)) return false;
    if (/\D/.test(tokens.word()) && secondsOf(tokens.word()) !== undefined) tokens.next();
    policy.set(state, seconds);
    tokens.take(',');
  }
  fields['policy'] = Object.fromEntries(policy);
  return true;
}

function readContext(word: string, fields: Fields): boolean {
  if (Object.hasOwn(fields, 'context')) return false;
  fields['context'] = word;
  return true;
}
