/**
 * Whether legacy tables are what they were: a program in perl asks the kernel for them again and again, quickly while a change is
 * near, slowly at rest, and never so often that it costs more than a small part of a CPU. It says when they differ, and nothing else.
 * Why they are copied: docs/decisions/144-small-legacy-tables-are-compared.md.
 */
import * as z from 'zod';
import { entryLayouts } from '../../core/iptables/entries/entries.ts';
import type { Family } from '../../core/net/family.ts';
import { startLineHelper, type Commands, type LineHelper } from '../io/commands.ts';
import { legacySockets, legacySystemCalls } from '../rules/legacy-table.ts';
import { clockCall, perlClock } from './perl-clock.ts';
import { longestPause, quickPause, restPause, share } from './poll-pauses.ts';

/** Bytes of a table that is compared: some 3,000 rules, 5 ms. */
const largestCompared = 1_048_576;

/**
 * Lines that it takes: `tables` and, separated by semicolons, `FAMILY LEVEL TABLE OFFSETS COUNTERS`, as in
 * probe/rules/legacy-table.ts; `quick MILLISECONDS`, from now on; `ask ID`, now. Lines that it gives: `d EARLIEST LATEST WHOLE`, the tables differ
 * since between these moments, in milliseconds since 1970, and WHOLE is 1 where such a line comes of every change from now on: a
 * table that is too large is judged by its size and number of entries; `a ID`, when it has asked.
 *
 * Compared are the entries, with zeroes for their counters. A table may have another size when it is copied. Where an extension writes into
 * its own rule, a table differs each time, and is asked for as seldom as rules are read.
 */
const script = `${perlClock}${String.raw`
my (undef, $call, $largest) = @ARGV;
my (@tables, %sockets, %content, $text, $same);
my ($quick_until, $cost, $differences) = (0, 0, 0);
my %quick = (question => ${quickPause.question / 1000}, reading => ${quickPause.reading / 1000}, share => ${share.quick});
my %rest = (question => ${restPause.question / 1000}, reading => ${restPause.reading / 1000}, share => ${share.rest});
my $longest = ${longestPause.question / 1000};
my $pause = $quick{question};
$| = 1;
sub content {
  my ($socket, $level, $table, $size, $offsets, $counters) = @_;
  my $memory = pack("a32Lx4x$size", $table, $size);
  my $length = pack("L", 40 + $size);
  syscall($call + 0, fileno($socket), $level + 0, 65, $memory, $length) == 0 or return undef;
  my $zeroes = "\0" x 16;
  for (my $at = 40; $at < 40 + $size;) {
    my $next = unpack("S", substr($memory, $at + $offsets + 2, 2));
    $next > $counters or return undef;
    substr($memory, $at + $counters, 16) = $zeroes;
    $at += $next;
  }
  return $memory;
}
sub look {
  my ($asked, $began) = (now(0), now(1));
  my ($whole, $differs, @texts) = (1, 0);
  for my $each (@tables) {
    my ($domain, $level, $table, $offsets, $counters) = split " ", $each;
    if (!defined $sockets{$domain}) { socket($sockets{$domain}, $domain, 2, 0) or die "socket: $!\n" }
    my ($answer, $content, $large) = ("absent", undef, 0);
    for (1 .. 5) {
      my $info = pack("a32x52", $table);
      my $length = pack("L", 84);
      syscall($call + 0, fileno($sockets{$domain}), $level + 0, 64, $info, $length) == 0 or last;
      my ($entries, $size) = unpack("LL", substr($info, 76, 8));
      $answer = "$size $entries";
      $large = 1;
      last if $size > $largest;
      $content = content($sockets{$domain}, $level, $table, $size, $offsets, $counters);
      last if defined $content;
    }
    if (defined $content) {
      $large = 0;
      $differs = 1 if !defined $content{$each} || $content{$each} ne $content;
    }
    $content{$each} = $content;
    $whole = 0 if $large;
    push @texts, $answer;
  }
  my $found = join(";", $whole, @texts);
  $differs = 1 if !defined $text || $text ne $found;
  $text = $found;
  print "d ", stamps($same || 0, now(0)), " $whole\n" if $differs;
  $differences = $differs ? $differences + 1 : 0;
  $same = $asked;
  $cost = (now(1) - $began) / 1e9;
}
sub most { return $_[0] > $_[1] ? $_[0] : $_[1] }
sub least { return $_[0] < $_[1] ? $_[0] : $_[1] }
sub next_pause {
  my $quick = now(1) / 1e9 < $quick_until;
  return most($quick ? $quick{reading} : $rest{reading}, $cost * $quick{share}) if $differences > 3;
  return most($quick{question}, $cost * $quick{share}) if $quick;
  return $pause = least($pause * 2, least(most($rest{question}, $cost * $rest{share}), $longest));
}
my $input = "";
for (;;) {
  my $ready = "";
  vec($ready, fileno(STDIN), 1) = 1;
  if (select($ready, undef, undef, @tables ? next_pause() : undef) == 0) { look(); next }
  sysread(STDIN, $input, 65536, length $input) or exit 0;
  while ($input =~ s/^([^\n]*)\n//) {
    my ($what, $rest) = split " ", $1, 2;
    if ($what eq "tables") { @tables = split ";", $rest; ($text, $same, %content) = (); look() if @tables }
    elsif ($what eq "quick") { $quick_until = now(1) / 1e9 + $rest / 1000; $pause = $quick{question}; look() if @tables }
    else { look() if @tables; print "a $rest\n" }
  }
}
`}`;

/** By the node's clock, in milliseconds since 1970: it happened between the two. */
export interface Difference {
  readonly earliest: number;
  readonly latest: number;
}

const differenceSchema = z
  .tuple([z.coerce.number(), z.coerce.number(), z.enum(['0', '1'])])
  .transform(([earliest, latest, whole]) => ({ earliest, latest, isWhole: whole === '1' }));

export class LegacyTables {
  readonly #commands: Commands;
  readonly #onDifference: (difference: Difference) => void;
  #tables = '';
  #helper: LineHelper | undefined;
  #isWhole = false;
  #questions = new Map<number, () => void>();
  #lastQuestion = 0;
  #hasEnded = false;

  constructor(commands: Commands, onDifference: (difference: Difference) => void) {
    this.#commands = commands;
    this.#onDifference = onDifference;
  }

  /** Every change is given; where not, at most those that change a table's size. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** @param tables their names */
  watch(tables: Readonly<Record<Family, readonly string[]>>): void {
    const wanted = (['IPv4', 'IPv6'] as const)
      .flatMap((family) =>
        tables[family].map((table) => {
          const { offsets, counters } = entryLayouts[family];
          return [...legacySockets[family], table, offsets, counters].join(' ');
        }),
      )
      .join(';');
    if (wanted === this.#tables && (wanted === '' || this.#helper !== undefined)) return;
    this.#tables = wanted;
    // Until it has looked.
    this.#isWhole = false;
    if (wanted !== '' || this.#helper !== undefined) this.#started()?.write(`tables ${wanted}\n`);
  }

  hurry(milliseconds: number): void {
    this.#helper?.write(`quick ${String(milliseconds)}\n`);
  }

  /** Resolves when they have been asked for, and what differed was given. */
  async ask(): Promise<void> {
    const helper = this.#helper;
    if (helper === undefined || this.#tables === '') return;
    this.#lastQuestion += 1;
    const id = this.#lastQuestion;
    await Promise.race([
      new Promise<void>((resolve) => {
        this.#questions.set(id, resolve);
        helper.write(`ask ${String(id)}\n`);
      }),
      helper.finished,
    ]);
    this.#questions.delete(id);
  }

  end(): void {
    this.#hasEnded = true;
    this.#helper?.end();
  }

  /** Undefined where the kernel's calls are not known for this machine. */
  #started(): LineHelper | undefined {
    const calls = legacySystemCalls[process.arch];
    if (this.#helper !== undefined || calls === undefined || this.#hasEnded) return this.#helper;
    const argv = ['perl', '-e', script, clockCall, String(calls[0]), String(largestCompared)] as const;
    const helper = startLineHelper(this.#commands, [...argv]);
    helper.onLine = (line) => {
      const [what, ...words] = line.split(' ');
      if (what === 'a') {
        this.#questions.get(Number(words[0]))?.();
        return;
      }
      const { isWhole, ...difference } = differenceSchema.parse(words);
      this.#isWhole = isWhole;
      this.#onDifference(difference);
    };
    // It is started again with the next reading, which comes where not every change is given.
    void helper.finished.then(() => {
      this.#helper = undefined;
      this.#isWhole = false;
    });
    this.#helper = helper;
    return helper;
  }
}
