/**
 * A legacy table as the kernel holds it, asked with getsockopt. `iptables-legacy-save` does the same and then prints every rule,
 * which is what its time goes into. Node has no getsockopt, and perl-base has one (essential in Debian); that of Perl takes 256
 * bytes, so that it is called by its number. A datagram socket will do, which needs no NET_RAW. Nothing is locked: the kernel
 * copies a table whole, and one that grew between the two questions is asked again. The table stays there: what is wanted of it
 * is asked for, for it has 84 MB where a cluster has 10,000 Services.
 */
import {
  Entries,
  headLength,
  isHead,
  nameOffset,
  hookedRules,
  infoLength,
  LegacyTableError,
  ownRules,
  readInfo,
  type HookedChain,
} from '../../core/iptables/entries/entries.ts';
import { hookedChainLine, jumpPosition, ruleLine } from '../../core/iptables/entries/print-entry.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands, Conversation } from '../io/commands.ts';

/**
 * IPT_SO_GET_INFO 64 and IPT_SO_GET_ENTRIES 65, of IPv6 too; EAGAIN 11: the table has another size by now. It answers with the
 * info, then `get POSITION LENGTH` with those bytes, and `find HEX` with a line of the positions at which these bytes stand.
 */
const script = String.raw`
my ($call, $domain, $level, $table) = @ARGV;
socket(my $kernel, $domain, 2, 0) or die "socket: $!\n";
sub put {
  for (my $at = 0; $at < length $_[0];) {
    $at += syswrite(STDOUT, $_[0], 1048576, $at) || die "write: $!\n";
  }
}
my ($info, $entries);
for my $left (reverse 0 .. 4) {
  $info = pack("a32x52", $table);
  my $length = pack("L", 84);
  syscall($call + 0, fileno($kernel), $level + 0, 64, $info, $length) == 0 or die "IPT_SO_GET_INFO of $table: $!\n";
  my $size = unpack("L", substr($info, 80, 4));
  $entries = pack("a32Lx4", $table, $size);
  vec($entries, 39 + $size, 8) = 0;
  $length = pack("L", 40 + $size);
  last if syscall($call + 0, fileno($kernel), $level + 0, 65, $entries, $length) == 0;
  $left && $! == 11 or die "IPT_SO_GET_ENTRIES of $table: $!\n";
}
put($info);
while (my $question = <STDIN>) {
  my ($what, $first, $second) = split " ", $question;
  if ($what eq "get") {
    put(substr($entries, 40 + $first, $second));
  } else {
    my ($text, @found) = pack("H*", $first);
    for (my $at = 39; ($at = index($entries, $text, $at + 1)) >= 0;) { push @found, $at - 40 }
    put("@found\n");
  }
}
`;

/** The number of getsockopt, where Node and the kernel are of one architecture. */
const systemCalls: Partial<Record<NodeJS.Architecture, number>> = { x64: 55, arm64: 209, riscv64: 209, s390x: 365 };

/** AF_INET and SOL_IP; AF_INET6 and SOL_IPV6. */
const places = { IPv4: ['2', '0'], IPv6: ['10', '41'] } as const;

/** What is asked for of a chain at first: those of an endpoint have one or two rules. */
const firstBytes = 2048;

/** A chain that was read. */
export interface LegacyChain {
  readonly name: string;
  readonly entries: Entries;
  /** Positions of the rules. */
  readonly rules: readonly number[];
  /** Position of the first rule. */
  readonly start: number;
}

export class LegacyTable {
  readonly #family: Family;
  readonly #program: Conversation;
  readonly #size: number;
  readonly #chains = new Map<number, LegacyChain>();
  /** By the position of the first rule. */
  readonly #names = new Map<number, string>();
  readonly hooked: readonly (LegacyChain & { readonly declaration: string })[];

  private constructor(
    family: Family,
    program: Conversation,
    size: number,
    hooks: readonly HookedChain[],
    entries: Entries,
  ) {
    this.#family = family;
    this.#program = program;
    this.#size = size;
    this.hooked = hooks.map((hook) => {
      const rules = hookedRules(entries, hook);
      if (rules === undefined) throw new LegacyTableError(`chain ${hook.name} is cut off`);
      return { ...hook, entries, rules, declaration: hookedChainLine(entries, hook.name, hook.end) };
    });
  }

  /**
   * Undefined where it cannot be asked in this way.
   * @param table that the kernel holds; naming another one would make it
   */
  static async open(commands: Commands, family: Family, table: string): Promise<LegacyTable | undefined> {
    const call = systemCalls[process.arch];
    if (call === undefined || commands.talk === undefined) return undefined;
    const program = commands.talk(['perl', '-e', script, String(call), ...places[family], table]);
    try {
      const { size, chains } = readInfo(await program.bytes(infoLength));
      // They stand at the begin, and behind each of them an entry that is its policy.
      const end = Math.min(size, Math.max(0, ...chains.map((chain) => chain.end)) + firstBytes);
      program.ask(`get 0 ${String(end)}\n`);
      return new LegacyTable(family, program, size, chains, new Entries(family, 0, await program.bytes(end)));
    } catch {
      program.close();
      return undefined;
    }
  }

  close(): void {
    this.#program.close();
  }

  /** The chains whose first rules stand at these positions. @throws LegacyTableError; Error where the program ended */
  async chainsAt(positions: Iterable<number>): Promise<LegacyChain[]> {
    const wanted = [...new Set(positions)];
    const head = headLength(this.#family);
    let missing = wanted.filter((position) => !this.#chains.has(position));
    for (let length = firstBytes; missing.length > 0; length *= 16) {
      const read = await this.#read(missing.map((position) => [position - head, head + length]));
      missing = missing.filter((start, index) => {
        const entries = read[index];
        const rules = entries === undefined ? undefined : ownRules(entries, start);
        if (entries === undefined || rules === undefined) {
          if (start + length >= this.#size) throw new LegacyTableError(`the chain at byte ${String(start)} has no end`);
          return true;
        }
        const name = entries.chainNamedBy(start - head);
        if (name === undefined) throw new LegacyTableError(`no chain begins at byte ${String(start)}`);
        this.#names.set(start, name);
        this.#chains.set(start, { name, entries, rules, start });
        return false;
      });
    }
    return wanted.flatMap((position) => this.#chains.get(position) ?? []);
  }

  /** Those of these chains that the table holds. */
  async chainsNamed(names: readonly string[]): Promise<LegacyChain[]> {
    const known = new Map([...this.#names].map(([position, name]) => [name, position]));
    const missing = names.filter((name) => !known.has(name));
    // Chains of one port of a Service end with the same 16 letters, so that one search finds all of them.
    const endings = [...new Set(missing.map((name) => name.slice(-16)))];
    this.#program.ask(endings.map((text) => `find ${Buffer.from(text).toString('hex')}\n`).join(''));
    const candidates: { readonly name: string; readonly at: number }[] = [];
    for (const ending of endings) {
      const positions = (await this.#program.line())
        .split(' ')
        .filter((word) => word !== '')
        .map(Number);
      for (const name of missing.filter((each) => each.endsWith(ending)))
        candidates.push(...positions.map((position) => ({ name, at: position + ending.length - name.length })));
    }
    const found = await this.#heads(candidates);
    return this.chainsAt([...names.flatMap((name) => known.get(name) ?? []), ...found]);
  }

  /** Lines of the chain's rules, or of some of them. @throws LegacyTableError for what is not known here */
  async linesOf({ name, entries, rules }: LegacyChain, some: readonly number[] = rules): Promise<string[]> {
    await this.#nameTargets(some.flatMap((at) => jumpPosition(entries, at) ?? []));
    return some.map((at) =>
      ruleLine(entries, name, at, (position) => {
        const target = this.#names.get(position);
        if (target === undefined) throw new LegacyTableError(`no chain begins at byte ${String(position)}`);
        return target;
      }),
    );
  }

  async #nameTargets(positions: readonly number[]): Promise<void> {
    const missing = [...new Set(positions)].filter((position) => !this.#names.has(position));
    const head = headLength(this.#family);
    const read = await this.#read(missing.map((position) => [position - head, head]));
    missing.forEach((position, index) => {
      const name = read[index]?.chainNamedBy(position - head);
      if (name !== undefined) this.#names.set(position, name);
    });
  }

  /** Positions of first rules of the chains that are named where their name stands. */
  async #heads(candidates: readonly { readonly name: string; readonly at: number }[]): Promise<number[]> {
    const head = headLength(this.#family);
    const begins = candidates.map(({ at }) => at - nameOffset(this.#family));
    const read = await this.#read(begins.map((at) => [at, head]));
    return candidates.flatMap(({ name }, index) => {
      const [entries, at = 0] = [read[index], begins[index]];
      return isHead(entries, at) && entries.chainNamedBy(at) === name ? [at + head] : [];
    });
  }

  /** Stretches; undefined for one that does not begin in the table. What would stand behind the table's end is left out. */
  async #read(stretches: readonly (readonly [at: number, length: number])[]): Promise<(Entries | undefined)[]> {
    const asked = stretches.map(([at, length]) => ({ at, length: at < 0 ? 0 : Math.min(length, this.#size - at) }));
    this.#program.ask(
      asked.map(({ at, length }) => (length <= 0 ? '' : `get ${String(at)} ${String(length)}\n`)).join(''),
    );
    const read: (Entries | undefined)[] = [];
    for (const { at, length } of asked)
      read.push(length <= 0 ? undefined : new Entries(this.#family, at, await this.#program.bytes(length)));
    return read;
  }
}
