/**
 * Lists many chains of one table of iptables on nf_tables at the price of one process of ours: xargs (findutils, an
 * essential package of Debian) runs the tool once for each chain. No shell reads the names.
 */
import type { Commands } from '../io/commands.ts';

export interface ChainQuestion {
  readonly chain: string;
  /** Also ask how many rules jump to it. */
  readonly references?: boolean;
  /** Of a chain that is as long as the cluster has Services: rules that have none of these bytes need not be listed. */
  readonly having?: readonly Buffer[];
}

export interface ListedChain {
  /** `-A CHAIN …`, with counters. */
  readonly lines: string[];
  /** Where it was asked for. */
  references?: number;
  /** Of one that is registered at a hook, where it is known. */
  policy?: string;
}

export interface Listing {
  /** The chains that are there. */
  readonly chains: Map<string, ListedChain>;
  /** Why the chains that are not in `chains` may be there all the same. */
  problem?: string;
}

/** What the tools say of a chain that is not there; iptables-nft 1.8.9 calls it incompatible. */
const absentMessage = /No chain\/target\/match by that name|does not exist|incompatible, use 'nft' tool/;

/** Two at a time, for a node has at least two cores, and the tool waits for nothing but the kernel. */
const batches = 2;

/** @param program `iptables-nft` or `ip6tables-nft` */
export async function listChains(
  commands: Commands,
  program: string,
  table: string,
  questions: readonly ChainQuestion[],
): Promise<Listing> {
  const perBatch = Math.max(4, Math.ceil(questions.length / batches));
  const groups = Array.from({ length: Math.ceil(questions.length / perBatch) }, (_, index) =>
    questions.slice(index * perBatch, (index + 1) * perBatch),
  );
  const listings = await Promise.all(groups.map((group) => listBatch(commands, program, table, group)));
  const problem = listings.find((listing) => listing.problem !== undefined)?.problem;
  return {
    chains: new Map(listings.flatMap(({ chains }) => [...chains])),
    ...(problem === undefined ? {} : { problem }),
  };
}

async function listBatch(
  commands: Commands,
  program: string,
  table: string,
  questions: readonly ChainQuestion[],
): Promise<Listing> {
  const chains = new Map<string, ListedChain>();
  const { status, problem, errors } = await commands.stream(
    ['xargs', '-0', '-n', '2', program, '-w', '5', '-t', table, '-v'],
    (line) => {
      readLine(chains, line);
    },
    questionWords(questions).join('\0'),
  );
  const missing = questions.filter(({ chain, references }) => {
    const found = chains.get(chain);
    return found === undefined || (references === true && found.references === undefined);
  });
  if (missing.length === 0 && status === 0) return { chains };
  // xargs gives 123 where a run of the tool failed, as it does for a chain that is not there.
  const notices = errors.filter((line) => !line.startsWith('#'));
  const other = notices.find((line) => !absentMessage.test(line));
  if ((status !== 0 && status !== 123) || other !== undefined)
    return { chains, problem: other ?? (problem === '' ? `xargs ${program} ended with ${String(status)}` : problem) };
  if (missing.length > notices.length)
    return { chains, problem: `${program} printed nothing of chain ${missing[0]?.chain ?? ''}` };
  const foreign = notices.some((line) => line.includes('incompatible'))
    ? await chainsOfNft(
        commands,
        program,
        table,
        missing.map(({ chain }) => chain),
      )
    : [];
  return {
    chains,
    ...(foreign[0] === undefined
      ? {}
      : { problem: `nf_tables holds chain ${foreign[0]}, and ${program} cannot read it` }),
  };
}

/** The arguments of each run, two by two. `-nL` prints the references, `-S` the rules as they would be written. */
export function questionWords(questions: readonly ChainQuestion[]): string[] {
  return questions.flatMap(({ chain, references }) => ['-S', chain, ...(references === true ? ['-nL', chain] : [])]);
}

/** `-N CHAIN` or `-P CHAIN` begins a chain, `Chain CHAIN (2 references)` says how many rules jump to it. */
function readLine(chains: Map<string, ListedChain>, line: string): void {
  if (line.startsWith('-A ')) chains.get(line.slice(3, line.indexOf(' ', 3)))?.lines.push(line);
  else if (line.startsWith('-N ') || line.startsWith('-P ')) {
    const [chain = '', policy] = line.slice(3).split(' ');
    chains.set(chain, { lines: [], ...(policy === undefined ? {} : { policy }) });
  } else {
    const heading = /^Chain (\S+) \((\d+) references/.exec(line);
    const found = chains.get(heading?.[1] ?? '');
    if (found !== undefined) found.references = Number(heading?.[2]);
  }
}

/** Those of the chains that nf_tables holds: iptables-nft calls a chain that it cannot read by the same word as one that is not there. */
async function chainsOfNft(
  commands: Commands,
  program: string,
  table: string,
  names: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  await commands.stream(
    ['xargs', '-0', '-n', '1', 'nft', 'list', 'chain', program === 'ip6tables-nft' ? 'ip6' : 'ip', table],
    (line) => {
      const name = /^\tchain (\S+) \{/.exec(line)?.[1];
      if (name !== undefined) found.push(name);
    },
    [...new Set(names)].join('\0'),
  );
  return found;
}
