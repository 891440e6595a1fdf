/**
 * A legacy table as the kernel holds it, asked with getsockopt. `iptables-legacy-save` does the same and then prints every rule,
 * which is what its time goes into. Node has no getsockopt, and perl-base has one (essential in Debian); that of Perl takes 256
 * bytes, so that it is called by its number. A datagram socket will do, which needs no NET_RAW. Nothing is locked: the kernel
 * copies a table whole, and one that changed between the questions is asked again. The table stays there, for it has 84 MB where
 * a cluster has 10,000 Services, and so does the work that each of its bytes or rules needs; what is wanted of it is asked for.
 */
import {
  Entries,
  entryLayouts,
  headLength,
  infoLength,
  LegacyTableError,
} from '../../core/iptables/entries/entries.ts';
import { readInfo, rulesBetween, type HookedChain } from '../../core/iptables/entries/entries.ts';
import { hookedChainLine, jumpPosition, ruleLine } from '../../core/iptables/entries/print-entry.ts';
import type { NeededBytes } from '../../core/iptables/entries/select.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands, Conversation } from '../io/commands.ts';

/**
 * IPT_SO_GET_INFO 64 and IPT_SO_GET_ENTRIES 65, of IPv6 too; EAGAIN 11: the table has another size by now. The kernel fills
 * memory that nobody has written to (sysread makes room for what does not come), in huge pages (MADV_HUGEPAGE 14): a third of
 * the reading would be zeroes that are overwritten, and page faults. Such memory has no length that Perl knows, so that `bytes`
 * alone reads it, within the table. It answers with the info, and then
 *
 * - `get POSITION LENGTH` with those bytes;
 * - `named HEX…` with a line of where the first rules of the chains of these names stand. The text behind its first letters is
 *   looked for, which several may have in common; of many, the heads of all chains are looked at;
 * - `only NAME PORTS HEX…` not at all: of that chain, only rules are wanted that have any of these bytes, or, where PORTS is
 *   `all` or they have one of those bytes, that are for every destination or for all but some;
 * - `chain POSITION` with the chain whose first rule stands there: a line of positions and lengths, of the entry that names it
 *   and of stretches of rules, and all of these bytes. It ends before its last entry, which only returns: behind that one, the
 *   next chain is named.
 */
const script = String.raw`
my ($call, $advise, $domain, $level, $entry, $offsets, $inverted, $address) = map { $_ + 0 } @ARGV[0 .. 7];
my $table = $ARGV[8];
my $head = $entry + 64;
socket(my $kernel, $domain, 2, 0) or die "socket: $!\n";
open(my $nothing, "<", "/dev/null") or die "/dev/null: $!\n";
sub put {
  for (my $at = 0; $at < length $_[0];) {
    $at += syswrite(STDOUT, $_[0], 1048576, $at) || die "write: $!\n";
  }
}
sub info {
  my ($info, $length) = (pack("a32x52", $table), pack("L", 84));
  syscall($call, fileno($kernel), $level, 64, $info, $length) == 0 or die "IPT_SO_GET_INFO of $table: $!\n";
  return $info;
}
my ($info, $size, $memory, $base);
for my $left (reverse 0 .. 4) {
  $info = info();
  $size = unpack("L", substr($info, 80, 4));
  $memory = pack("a32Lx4", $table, $size);
  defined sysread($nothing, $memory, $size, 40) or die "/dev/null: $!\n";
  $base = unpack("J", pack("P", $memory)) + 40;
  my $first = ($base + 0x1fffff) & ~0x1fffff;
  my $last = ($base + $size) & ~0x1fffff;
  syscall($advise, $first, $last - $first, 14) if $advise && $first < $last;
  my $length = pack("L", 40 + $size);
  my $failed = syscall($call, fileno($kernel), $level, 65, $memory, $length);
  my $problem = $failed ? $! : "it does not stay as it is";
  last if !$failed && info() eq $info;
  $left && (!$failed || $problem == 11) or die "IPT_SO_GET_ENTRIES of $table: $problem\n";
}
sub bytes {
  my ($at, $length) = @_;
  $at >= 0 && $length > 0 && $at + $length <= $size or die "$length bytes at $at are not in the table\n";
  return unpack("P$length", pack("J", $base + $at));
}
sub named {
  my @names = map { pack("H*", $_) } @_;
  my %wanted = map { $_ => 1 } @names;
  my %endings = map { length > 16 ? substr($_, -16) : $_ => 1 } @names;
  my @found;
  my $look = sub {
    my ($at) = @_;
    return if $at < 0 || $at + $head > $size;
    my $bytes = bytes($at, $head);
    return if substr($bytes, $offsets, 4) ne pack("SS", $entry, $head) || substr($bytes, $entry + 2, 6) ne "ERROR\0";
    push @found, $at + $head if $wanted{unpack("Z32", substr($bytes, $entry + 32, 32))};
  };
  my $piece = 65536;
  for (my $from = 0; $from < $size; $from += $piece) {
    my $length = $size - $from;
    $length = $piece + 64 if $length > $piece + 64;
    my $part = bytes($from, $length);
    if (keys %endings > 4) {
      for (my $at = -1; ($at = index($part, "ERROR\0", $at + 1)) >= 0 && $at < $piece;) {
        $look->($from + $at - $entry - 2) if $wanted{unpack("Z32", substr($part, $at + 30, 32))};
      }
      next;
    }
    for my $ending (keys %endings) {
      for (my $at = -1; ($at = index($part, $ending, $at + 1)) >= 0 && $at < $piece;) {
        my %tried;
        for my $name (grep { substr($_, -length $ending) eq $ending } @names) {
          my $before = length($name) - length($ending);
          $look->($from + $at - $before - $entry - 32) if !$tried{$before}++;
        }
      }
    }
  }
  put(join(" ", @found) . "\n");
}
my %only;
sub places {
  my ($part, @texts) = @_;
  my @found;
  for my $text (@texts) {
    for (my $at = -1; ($at = index($$part, $text, $at + 1)) >= 0;) { push @found, $at }
  }
  return sort { $a <=> $b } @found;
}
sub wanted {
  my ($part, $runs, $ports, $needles) = @_;
  my @own = places($part, @$needles);
  my @many = $ports ? places($part, @$ports) : ();
  my @stretches;
  for my $run (@$runs) {
    my ($first, $length, $count, $many) = @$run;
    my $last = $first + $length * $count;
    my @found;
    for my $places (\@own, \@many) {
      while (@$places && $places->[0] < $last) {
        my $at = shift @$places;
        push @found, $at - ($at - $first) % $length if $places == \@own || $many;
      }
    }
    @found = map { $first + $length * $_ } 0 .. $count - 1 if $many && !$ports;
    for my $at (sort { $a <=> $b } @found) {
      next if @stretches && $at < $stretches[-1][1];
      if (@stretches && $at == $stretches[-1][1]) { $stretches[-1][1] += $length } else { push @stretches, [$at, $at + $length] }
    }
  }
  return @stretches;
}
my $block = 64;
sub chain {
  my ($start) = @_;
  my $name = unpack("Z32", substr(bytes($start - $head, $head), $entry + 32, 32));
  my ($part, $at, $singles, $last, @runs, %masks) = ("", 0, 0, "");
  my $reach = sub {
    my ($end) = @_;
    my ($length, $left) = ($end + 2048 + 3 * length $part, $size - $start);
    $part = bytes($start, $length < $left ? $length : $left) if $end > length $part;
    return $end <= length $part;
  };
  for (;;) {
    $reach->($at + $entry) or die "the chain at byte $start has no end\n";
    my ($target, $next) = unpack("SS", substr($part, $at + $offsets, 4));
    $target >= $entry && $next >= $target + 32 or die "what stands at byte ", $start + $at, " is not an entry\n";
    $reach->($at + $next) or die "the chain at byte $start has no end\n";
    last if substr($part, $at + $target + 2, 6) eq "ERROR\0";
    my $mask = $masks{"$target $next"} //= do {
      my $bytes = "\0" x $next;
      substr($bytes, $$_[0], $$_[1]) = "\xff" x $$_[1] for [3 * $address, $address], [$inverted, 1], [$offsets, 4], [$target + 2, 6];
      $bytes;
    };
    my $kind = substr($part, $at, $next) & $mask;
    my $many = substr($kind, 3 * $address, $address) eq "\0" x $address || ord(substr($kind, $inverted, 1)) & 16;
    if ($kind eq $last) { $runs[-1][2]++ } else { push @runs, [$at, $next, 1, $many] }
    $last = $kind;
    $at += $next;
    if (++$singles >= $block) {
      $singles = 0;
      my ($masks, $kinds, $length) = ($mask x $block, $kind x $block, $next * $block);
      while ($reach->($at + $length) && (substr($part, $at, $length) & $masks) eq $kinds) {
        $runs[-1][2] += $block;
        $at += $length;
      }
    }
  }
  # The last one only returns.
  my @stretches;
  if (@runs) {
    $at -= $runs[-1][1];
    pop @runs if !--$runs[-1][2];
    substr($part, $at) = "";
    @stretches = $only{$name} ? wanted(\$part, \@runs, @{$only{$name}}) : $at > 0 ? [0, $at] : ();
  }
  put(join(" ", $start - $head, $head, map { ($start + $_->[0], $_->[1] - $_->[0]) } @stretches) . "\n");
  put(bytes($start - $head, $head));
  put(substr($part, $_->[0], $_->[1] - $_->[0])) for @stretches;
}
put($info);
while (my $question = <STDIN>) {
  my ($what, @words) = split " ", $question;
  if ($what eq "get") { put(bytes(@words)) }
  elsif ($what eq "named") { named(@words) }
  elsif ($what eq "chain") { chain(@words) }
  elsif ($what eq "only") {
    my ($name, $ports, @needles) = @words;
    $only{$name} = [$ports eq "all" ? undef : [map { pack("H*", $_) } split /,|none/, $ports], [map { pack("H*", $_) } @needles]];
  }
  else { die "$what is not asked\n" }
}
`;

/** Numbers of getsockopt and madvise, where Node and the kernel are of one architecture. */
export const legacySystemCalls: Partial<Record<NodeJS.Architecture, readonly [getsockopt: number, madvise: number]>> = {
  x64: [55, 28],
  arm64: [209, 233],
  riscv64: [209, 233],
  s390x: [365, 219],
};

/** AF_INET and SOL_IP; AF_INET6 and SOL_IPV6. */
export const legacySockets = { IPv4: [2, 0], IPv6: [10, 41] } as const;

/** What is asked for behind the last chain of a hook, for its policy. */
const policyBytes = 2048;

/** Rules that stand one behind the other, and are printed alone. */
export interface Stretch {
  readonly entries: Entries;
  /** Positions. */
  readonly rules: readonly number[];
}

/** A chain that was read. */
export interface LegacyChain {
  readonly name: string;
  /** Position of the first rule. */
  readonly start: number;
  /** All of its rules, or those that were asked for with `readOnly`. */
  readonly stretches: readonly Stretch[];
}

export class LegacyTable {
  readonly #family: Family;
  readonly #program: Conversation;
  readonly #chains = new Map<number, LegacyChain>();
  /** By the position of the first rule. */
  readonly #names = new Map<number, string>();
  readonly hooked: readonly (LegacyChain & { readonly declaration: string })[];

  private constructor(family: Family, program: Conversation, hooks: readonly HookedChain[], entries: Entries) {
    this.#family = family;
    this.#program = program;
    this.hooked = hooks.map(({ name, start, end }) => ({
      name,
      start,
      stretches: [{ entries, rules: rulesBetween(entries, start, end) }],
      declaration: hookedChainLine(entries, name, end),
    }));
  }

  /**
   * Undefined where it cannot be asked in this way.
   * @param table that the kernel holds; naming another one would make it
   */
  static async open(commands: Commands, family: Family, table: string): Promise<LegacyTable | undefined> {
    const calls = legacySystemCalls[process.arch];
    if (calls === undefined || commands.talk === undefined) return undefined;
    const { length, offsets, inverted, address } = entryLayouts[family];
    const numbers = [...calls, ...legacySockets[family], length, offsets, inverted, address];
    const program = commands.talk(['perl', '-e', script, ...numbers.map(String), table]);
    try {
      const { size, chains } = readInfo(await program.bytes(infoLength));
      // They stand at the begin, and behind each of them an entry that is its policy.
      const end = Math.min(size, Math.max(0, ...chains.map((chain) => chain.end)) + policyBytes);
      program.ask(`get 0 ${String(end)}\n`);
      return new LegacyTable(family, program, chains, new Entries(family, 0, await program.bytes(end)));
    } catch {
      program.close();
      return undefined;
    }
  }

  close(): void {
    this.#program.close();
  }

  /** Of the chain of this name, rules that have none of these bytes are left out from now on. */
  readOnly(chain: string, { destinationPorts: ports, others }: NeededBytes): void {
    const hex = (bytes: Buffer): string => bytes.toString('hex');
    const portWord = ports === 'all' ? ports : ports.length === 0 ? 'none' : ports.map(hex).join(',');
    this.#program.ask(`only ${[chain, portWord, ...others.map(hex)].join(' ')}\n`);
  }

  /** The chains whose first rules stand at these positions. @throws LegacyTableError; Error where the program ended */
  async chainsAt(positions: Iterable<number>): Promise<LegacyChain[]> {
    const wanted = [...new Set(positions)];
    const missing = wanted.filter((position) => !this.#chains.has(position));
    this.#program.ask(missing.map((position) => `chain ${String(position)}\n`).join(''));
    for (const start of missing) {
      const chain = await this.#readChain(start);
      this.#names.set(start, chain.name);
      this.#chains.set(start, chain);
    }
    return wanted.flatMap((position) => this.#chains.get(position) ?? []);
  }

  async #readChain(start: number): Promise<LegacyChain> {
    const [headAt, headEnd, ...pairs] = await this.#numbers();
    const length = headLength(this.#family);
    if (headAt !== start - length || headEnd !== length || pairs.length % 2 !== 0)
      throw new LegacyTableError(`what was answered is not the chain at byte ${String(start)}`);
    const name = new Entries(this.#family, headAt, await this.#program.bytes(length)).chainNamedBy(headAt);
    if (name === undefined) throw new LegacyTableError(`no chain begins at byte ${String(start)}`);
    const stretches: Stretch[] = [];
    for (let index = 0; index < pairs.length; index += 2) {
      const [at = 0, bytes = 0] = pairs.slice(index, index + 2);
      const entries = new Entries(this.#family, at, await this.#program.bytes(bytes));
      stretches.push({ entries, rules: rulesBetween(entries, at, at + bytes) });
    }
    return { name, start, stretches };
  }

  /** Those of these chains that the table holds. */
  async chainsNamed(names: readonly string[]): Promise<LegacyChain[]> {
    const known = new Map([...this.#names].map(([position, name]) => [name, position]));
    const missing = names.filter((name) => !known.has(name));
    const found = names.flatMap((name) => known.get(name) ?? []);
    if (missing.length > 0) {
      this.#program.ask(`named ${missing.map((name) => Buffer.from(name).toString('hex')).join(' ')}\n`);
      found.push(...(await this.#numbers()));
    }
    return this.chainsAt(found);
  }

  /** Lines of the rules of a stretch, or of some of them. @throws LegacyTableError for what is not known here */
  async linesOf(chain: string, { entries, rules }: Stretch, some: readonly number[] = rules): Promise<string[]> {
    await this.#nameTargets(some.flatMap((at) => jumpPosition(entries, at) ?? []));
    return some.map((at) =>
      ruleLine(entries, chain, at, (position) => {
        const target = this.#names.get(position);
        if (target === undefined) throw new LegacyTableError(`no chain begins at byte ${String(position)}`);
        return target;
      }),
    );
  }

  async #nameTargets(positions: readonly number[]): Promise<void> {
    const missing = [...new Set(positions)].filter((position) => !this.#names.has(position));
    const head = headLength(this.#family);
    this.#program.ask(missing.map((position) => `get ${String(position - head)} ${String(head)}\n`).join(''));
    for (const position of missing) {
      const at = position - head;
      const name = new Entries(this.#family, at, await this.#program.bytes(head)).chainNamedBy(at);
      if (name !== undefined) this.#names.set(position, name);
    }
  }

  /** A line of them. */
  async #numbers(): Promise<number[]> {
    const words = (await this.#program.line()).split(' ').filter((word) => word !== '');
    return words.map((word) => {
      if (!/^\d+$/.test(word)) throw new LegacyTableError(`${word} is not a position`);
      return Number(word);
    });
  }
}
