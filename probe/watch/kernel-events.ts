/**
 * What the kernel reports of itself over netlink, as it happens: changes of nf_tables. Node has no
 * netlink, and perl-base has (essential in Debian). The program keeps what has none of the wanted bytes to itself, so that
 * a message of another Service costs a search, and stamps what it gives by the node's clocks. It asks nothing but the
 * generation of the ruleset.
 */
import * as z from 'zod';
import { startLineHelper, type Commands, type LineHelper } from '../io/commands.ts';
import { clockCall, perlClock } from './perl-clock.ts';

/**
 * AF_NETLINK 16, SOCK_RAW 3, NETLINK_NETFILTER 12; SO_RCVBUFFORCE 33, 8 MiB; MSG_DONTWAIT 0x40; EINTR 4, EAGAIN 11, ENOBUFS
 * 105; NFT_MSG_NEWGEN 2575, NFT_MSG_GETGEN 2576. A transaction of nf_tables ends with NEWGEN, which is a message of its own.
 * Lines: `m` a message; `g` the end of a transaction that had such; `l` messages were lost; `r` the
 * terms hold from now on; `s` all that was committed before the question has been given. Times: milliseconds since 1970, of the
 * monotonic clock, and of how much earlier it may have been.
 */
const script = `${perlClock}${String.raw`
my $groups = $ARGV[1];
$| = 1;
socket(my $kernel, 16, 3, 12) or die "netlink socket: $!\n";
setsockopt($kernel, 1, 33, pack("i", 8388608));
bind($kernel, pack("SSLL", 16, 0, 0, $groups)) or die "netlink group: $!\n";
my $port = (unpack("SSLL", getsockname($kernel)))[2];
my ($pattern, $generation, $matched, $doubt, @begin, @question);
my ($out, $input, $empty) = ("", "", now(1));
sub generation_is {
  $generation = $_[0];
  if (@question && $question[1] <= $generation) { $out .= "s $question[0]\n"; @question = () }
}
sub drain {
  my ($delay) = @_;
  my $last = now(1);
  my $earliest = $empty;
  $earliest = $last - $delay if defined $delay && $last - $delay > $empty;
  for (;;) {
    my $from = recv($kernel, my $data, 262144, 0x40);
    my $error = defined $from ? 0 : $! + 0;
    if ($error == 4) { next }
    if ($error == 11) {
      $empty = $last;
      ($doubt, $generation) = (0, undef) if $doubt;
      last;
    }
    my $mono = now(1);
    $last = $mono;
    if ($error == 105) {
      $out .= "l " . stamps(now(0), $mono, $mono - $earliest) . "\n";
      ($doubt, $matched, @begin) = (1, 0);
      if (@question) { $out .= "s $question[0]\n"; @question = () }
      next;
    }
    $error == 0 or die "netlink receive: $!\n";
    length $data >= 16 or die "netlink: what was received is not a message\n";
    my ($type, $to) = (unpack("LSSLL", $data))[1, 4];
    if ($type == 2575) {
      my $id = unpack("N", substr($data, 24, 4));
      if ($to == $port) {
        if (@question) {
          $question[1] = $id;
          generation_is(defined $generation && !$doubt ? $generation : $id);
        }
        next;
      }
      @begin = (now(0), $mono, $mono - $earliest) if !@begin;
      $out .= "g " . stamps(@begin) . " " . unpack("H*", $data) . "\n" if $matched;
      ($matched, @begin) = (0);
      generation_is($id);
      next;
    }
    @begin = (now(0), $mono, $mono - $earliest) if !@begin;
    if (defined $pattern && $data =~ $pattern) {
      for (my $at = 0; $at + 16 <= length $data;) {
        my $length = unpack("L", substr($data, $at, 4));
        $length >= 16 or die "netlink: what was received is not a message\n";
        my $message = substr($data, $at, $length);
        if ($message =~ $pattern) {
          $matched = 1;
          $out .= "m " . unpack("H*", $message) . "\n";
        }
        $at += ($length + 3) & ~3;
      }
    }
    if (length $out > 65536) { print $out; $out = "" }
  }
}
for (;;) {
  my ($ready, $delay) = wait_for(undef, \*STDIN, $kernel);
  if (vec($ready, fileno($kernel), 1)) { drain($delay) }
  elsif (defined $delay) { $empty = now(1) - $delay }
  if (vec($ready, fileno(STDIN), 1)) {
    sysread(STDIN, $input, 1048576, length $input) or exit 0;
    while ($input =~ s/^([^\n]*)\n//) {
      my ($what, @words) = split " ", $1;
      if ($what eq "terms") {
        my $all = join "|", map { quotemeta pack("H*", $_) } @words;
        $pattern = @words ? qr/$all/s : undef;
        $out .= "r\n";
      } else {
        @question = ($words[0], 0);
        send($kernel, pack("LSSLLCCn", 20, 2576, 1, 1, 0, 0, 0, 0), 0) or die "netlink send: $!\n";
        $question[1] = 1 << 62;
      }
    }
  }
  if (length $out) { print $out; $out = "" }
}
`}`;

/** The bit of NFNLGRP_NFTABLES, which is 7. */
const group = 1 << 6;

/** By the node's clocks, in milliseconds: it happened between `latest - span` and `latest`. */
export interface EventTime {
  /** Since 1970. */
  readonly latest: number;
  readonly monotonic: number;
  readonly span: number;
}

export type KernelEvent =
  /** A transaction that has messages with the wanted bytes: these, and the one that ends it. */
  | {
      readonly kind: 'transaction';
      readonly time: EventTime;
      readonly messages: readonly Buffer[];
      readonly end: Buffer;
    }
  /** The kernel had more to report than was read. */
  | { readonly kind: 'lost'; readonly time: EventTime };

/** Messages of one transaction that are kept; more of them say nothing more. */
const maxMessages = 5000;

export class KernelEvents {
  readonly #helper: LineHelper;
  readonly #onEvent: (event: KernelEvent) => void;
  readonly #waiting = new Map<string, () => void>();
  #messages: Buffer[] = [];
  #lastSync = 0;
  /** Why nothing more is reported. Never rejects. */
  readonly ended: Promise<string>;

  /** @param commands whose programs run until their starter ends them */
  constructor(commands: Commands, onEvent: (event: KernelEvent) => void) {
    this.#onEvent = onEvent;
    this.#helper = startLineHelper(commands, ['perl', '-e', script, clockCall, String(group)]);
    this.#helper.onLine = (line) => {
      this.#line(line);
    };
    this.ended = this.#helper.finished.then(({ problem }) => {
      for (const resolve of this.#waiting.values()) resolve();
      return problem === '' ? 'perl ended' : problem;
    });
  }

  /** From now on, messages that have any of these bytes are given. Resolves when it is so, and where nothing comes any more. */
  async want(terms: readonly Uint8Array[]): Promise<void> {
    await this.#ask('r', `terms ${terms.map((term) => Buffer.from(term).toString('hex')).join(' ')}\n`);
  }

  /** Resolves when everything that was committed before has been given, and where nothing comes any more. */
  async sync(): Promise<void> {
    this.#lastSync += 1;
    await this.#ask(`s ${String(this.#lastSync)}`, `sync ${String(this.#lastSync)}\n`);
  }

  end(): void {
    this.#helper.end();
  }

  async #ask(answer: string, question: string): Promise<void> {
    if (this.#helper.hasFinished) return;
    await new Promise<void>((resolve) => {
      this.#waiting.set(answer, resolve);
      this.#helper.write(question);
    });
  }

  #line(line: string): void {
    const [kind, ...words] = line.split(' ');
    const last = words.at(-1) ?? '';
    switch (kind) {
      case 'm':
        if (this.#messages.length < maxMessages) this.#messages.push(Buffer.from(last, 'hex'));
        break;
      case 'g': {
        const messages = this.#messages;
        this.#messages = [];
        this.#onEvent({ kind: 'transaction', time: timeOf(words), messages, end: Buffer.from(last, 'hex') });
        break;
      }
      case 'l':
        this.#messages = [];
        this.#onEvent({ kind: 'lost', time: timeOf(words) });
        break;
      default:
        this.#waiting.get(line)?.();
        this.#waiting.delete(line);
    }
  }
}

const times = z.tuple([z.number(), z.number(), z.number()]);

function timeOf(words: readonly string[]): EventTime {
  const [latest, monotonic, span] = times.parse(words.slice(0, 3).map(Number));
  return { latest, monotonic, span };
}
