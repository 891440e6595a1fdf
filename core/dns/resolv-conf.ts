/** resolv.conf(5): whom a client asks, and how it makes names of short ones. */

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** Such as `ndots:5`. */
  readonly options: readonly string[];
}

/** Lines of other keywords (sortlist) are no matter of names and servers. The last search or domain counts, options add up. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let searches: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    // glibc takes a comment only where the line begins with one; kubelets write none.
    if (/^\s*[;#]/.test(line)) continue;
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) nameservers.push(words[0]);
    if (keyword === 'search' || keyword === 'domain')
      searches = words.map((word) => (word === '.' ? word : word.replace(/\.$/, '')));
    if (keyword === 'options') options.push(...words);
  }
  return { nameservers, searches, options };
}

/** A name with at least so many dots is asked as it is before the search path; glibc's default is 1, its most 15. */
export function ndotsOf({ options }: ResolvConf): number {
  const last = options.findLast((option) => option.startsWith('ndots:'));
  const number = Number(last?.slice('ndots:'.length));
  return Number.isInteger(number) && number >= 0 ? Math.min(number, 15) : 1;
}

/** The full names that a client asks for, in its order, until one is answered (glibc res_nsearch). */
export function askedNames(conf: ResolvConf, name: string): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const dots = name.split('.').length - 1;
  const searched = conf.searches.map((search) => (search === '.' ? name : `${name}.${search}`));
  return [...new Set(dots >= ndotsOf(conf) ? [name, ...searched] : [...searched, name])];
}
