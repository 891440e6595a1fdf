/**
 * Elements that `nft get element` prints as text (nft 1.0.6 prints them so even with -j):
 * `elements = { 10.96.0.10 . tcp . 53 comment "kube-system/kube-dns:dns" : goto service-… }`
 */

/**
 * The elements in the form that libnftables-json(5) gives them: a key for a set, [key, verdict] for a map. Time-outs
 * and counters of elements are left out.
 */
export function parseNftElementsText(text: string): unknown[] {
  const body = /elements = \{([^}]*)\}/s.exec(text)?.[1];
  if (body === undefined) return [];
  return splitElements(body).map((element) => {
    const comment = /\scomment "([^"]*)"/.exec(element)?.[1];
    const plain = element.replace(/\scomment "[^"]*"/, '').replace(/\s(timeout|expires) \S+/g, '');
    // A key may hold colons (IPv6), the sign between key and verdict stands between blanks.
    const [keyText = '', verdict] = plain.split(/\s:\s/);
    const words = keyText.trim().split(/\s+\.\s+/).map((word) => (/^\d+$/.test(word) ? Number(word) : word));
    const key = words.length === 1 ? words[0] : { concat: words };
    const described = comment === undefined ? key : { elem: { val: key, comment } };
    return verdict === undefined ? described : [described, verdictOf(verdict.trim())];
  });
}

function verdictOf(text: string): unknown {
  const [kind = '', chain] = text.split(/\s+/);
  return chain === undefined ? { [kind]: null } : { [kind]: { target: chain } };
}

/** Splits at commas outside quotes. */
function splitElements(body: string): string[] {
  return [...body.matchAll(/(?:"[^"]*"|[^,"])+/g)].map(([element]) => element.trim()).filter((element) => element !== '');
}
