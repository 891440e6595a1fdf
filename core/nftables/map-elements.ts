/**
 * Elements that `nft get element` prints, as text (nft 1.0.6 prints them so even with -j) or JSON:
 * `elements = { 10.96.0.10 . tcp . 53 comment "kube-system/kube-dns:dns" : goto service-… }`
 */
import type { NftVerdict } from './rule.ts';
import { isObject } from './json-fields.ts';
import { parseNftElements } from './parse-json-rule.ts';
import { protocolName } from './normal-form.ts';

/** One element of a verdict map: its key as words, and its verdict. */
export interface NftMapElement {
  readonly key: readonly string[];
  readonly verdict: NftVerdict;
  readonly comment?: string;
}

/** Elements of a verdict map: `[{"concat": ["10.96.0.1", "tcp", 80]}, {"goto": {"target": "service-…"}}]`. */
export function parseNftMapElements(elements: readonly unknown[]): NftMapElement[] {
  return elements.flatMap((json) => {
    const [element] = parseNftElements([json]) ?? [];
    const words = Array.isArray(json) ? keyWords((json as readonly unknown[])[0]) : undefined;
    if (element?.value?.kind !== 'verdict' || words === undefined) return [];
    const { comment } = element;
    return [
      { key: withProtocolName(words), verdict: element.value.verdict, ...(comment === undefined ? {} : { comment }) },
    ];
  });
}

/**
 * A key of one of kube-proxy's maps and sets with its protocol as a name. It is the last word but one of each key that
 * has one: `address . protocol . port`, `protocol . port`, `address . address . protocol . port`.
 */
export function withProtocolName(words: readonly string[]): readonly string[] {
  const at = words.length - 2;
  return words.map((word, index) => (index === at ? protocolName(word) : word));
}

/** A key as words: a value alone or a concatenation. */
export function keyWords(key: unknown): readonly string[] | undefined {
  if (typeof key === 'string' || typeof key === 'number') return [String(key)];
  if (isObject(key) && isObject(key['elem'])) return keyWords(key['elem']['val']);
  if (isObject(key) && isObject(key['prefix']) && typeof key['prefix']['addr'] === 'string')
    return [`${key['prefix']['addr']}/${String(key['prefix']['len'])}`];
  if (isObject(key) && Array.isArray(key['concat'])) {
    const words = (key['concat'] as readonly unknown[]).map(keyWords);
    return words.every((word) => word !== undefined) ? words.flat() : undefined;
  }
  return undefined;
}
