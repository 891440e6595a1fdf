/** The elements of an nft listing, as libnftables prints them. */
import { NftTextParser } from '../../core/nftables/parse-text.ts';
import { nftElementJson } from './print-nft-json.ts';

/** The elements in the form that libnftables-json(5) gives them: a key for a set, [key, verdict] for a map. */
export function parseNftElementsText(text: string): unknown[] {
  const parser = new NftTextParser();
  parser.push(text);
  return parser
    .end()
    .result.flatMap(({ sets, maps }) => [...sets.values(), ...maps.values()])
    .flatMap(({ elements }) => elements.map(nftElementJson));
}
