/**
 * What the kernel reports of connections over netlink, as it happens: entries of conntrack that are made, that change and that
 * go. A program of its own, which runs only where connections are followed, so that many of them do not make the times of rules
 * inexact. It hears only what its socket's filter lets through, and no more than so many messages in a second: of others the kernel
 * counts how many there were.
 */
import * as z from 'zod';
import { startLineHelper, type Commands, type LineHelper } from '../io/commands.ts';
import { clockCall, perlClock } from './perl-clock.ts';

/**
 * AF_NETLINK 16, SOCK_RAW 3, NETLINK_NETFILTER 12; SO_RCVBUFFORCE 33, 4 MiB; SO_ATTACH_FILTER 26, struct sock_fprog; NFNLGRP_CONNTRACK_NEW
 * 1, _UPDATE 2 and _DESTROY 3 are the bits 0 to 2; MSG_DONTWAIT 0x40; EINTR 4, EAGAIN 11, ENOBUFS 105. Before it is asked for something, it
 * hears nothing. Lines: `e` a message; `t` the time of those before it, and that nothing else came until then; `l` so many messages
 * were dropped, `-` where that is not known; `r` the filter holds from now on. Times: milliseconds since 1970, and of how much
 * earlier it may have been.
 */
const script = `${perlClock}${String.raw`
my $most = $ARGV[1];
$| = 1;
socket(my $kernel, 16, 3, 12) or die "netlink socket: $!\n";
setsockopt($kernel, 1, 33, pack("i", 4194304));
sub filter {
  my $program = $_[0];
  setsockopt($kernel, 1, 26, pack("Sx![P]P", length($program) / 8, $program)) or die "netlink filter: $!\n";
}
filter(pack("SCCL", 6, 0, 0, 0));
bind($kernel, pack("SSLL", 16, 0, 0, 7)) or die "netlink group: $!\n";
my $port = (unpack("SSLL", getsockname($kernel)))[2];
sub drops {
  open(my $sockets, "<", "/proc/net/netlink") or return undef;
  while (my $line = <$sockets>) {
    my @words = split " ", $line;
    return $words[8] if $words[1] eq "12" && $words[2] eq $port;
  }
  return undef;
}
my ($out, $input, $count, $doubt) = ("", "", 0, 0);
my ($empty, $sure, $told) = (now(1), now(1), drops());
my ($tokens, $refilled) = ($most, now(1));
sub batch {
  my ($from) = @_;
  my $mono = now(1);
  $out .= "t " . stamps(now(0), $mono - $from) . "\n";
  $count = 0;
  if (length $out > 65536) { print $out; $out = "" }
}
sub lost {
  my $drops = drops();
  # All that were dropped since have been counted already.
  return if $doubt == 2 && defined $drops && defined $told && $drops == $told;
  my $number = defined $drops && defined $told && $drops > $told ? $drops - $told : "-";
  my $mono = now(1);
  $out .= "l " . stamps(now(0), $mono - $sure) . " $number\n";
  ($told, $sure) = ($drops, $mono);
}
sub drain {
  my ($delay) = @_;
  my $last = now(1);
  my $earliest = $empty;
  $earliest = $last - $delay if defined $delay && $last - $delay > $empty;
  while ($tokens >= 1) {
    my $from = recv($kernel, my $data, 262144, 0x40);
    my $error = defined $from ? 0 : $! + 0;
    if ($error == 4) { next }
    if ($error == 11) {
      batch($earliest) if $count;
      if ($doubt) { lost() }
      ($doubt, $empty, $sure) = (0, $last, now(1));
      return;
    }
    if ($error == 105) { $doubt ||= 1; next }
    $error == 0 or die "netlink receive: $!\n";
    $tokens -= 1;
    $last = now(1);
    $out .= "e " . unpack("H*", $data) . "\n";
    $count += 1;
    batch($earliest) if $count >= 50;
  }
  batch($earliest) if $count;
  if ($doubt && now(1) - $sure > 1000000000) { lost(); $doubt = 2 }
}
for (;;) {
  my $now = now(1);
  $tokens += ($now - $refilled) / 1000000000 * $most;
  $tokens = $most if $tokens > $most;
  $refilled = $now;
  # Where as many came as are wanted, it rests until there is room for a tenth of a second's.
  my $rests = $tokens < 1;
  if ($rests) { select(undef, undef, undef, 0.1); next }
  my ($ready, $delay) = wait_for(5, \*STDIN, $kernel);
  if (vec($ready, fileno($kernel), 1)) { drain($delay) }
  elsif (defined $delay) { $empty = now(1) - $delay }
  elsif ($ready eq "") { drain(undef); batch($empty) }
  if (vec($ready, fileno(STDIN), 1)) {
    sysread(STDIN, $input, 1048576, length $input) or exit 0;
    while ($input =~ s/^([^\n]*)\n//) {
      filter(pack("H*", $1));
      $out .= "r " . stamps(now(0), 0) . "\n";
    }
  }
  if (length $out) { print $out; $out = "" }
}
`}`;

/** Messages in a second that are taken: three of each connection. */
const messagesPerSecond = 2000;

/** By the node's clock, in milliseconds since 1970: it happened between `latest - span` and `latest`. */
export interface ConntrackEventTime {
  readonly latest: number;
  readonly span: number;
}

export interface ConntrackEventHandlers {
  /** Messages in their order; none where nothing came until then. */
  readonly onMessages: (messages: readonly Buffer[], time: ConntrackEventTime) => void;
  /** @param count undefined where it is not known */
  readonly onDropped: (count: number | undefined, time: ConntrackEventTime) => void;
}

export class ConntrackEvents {
  readonly #helper: LineHelper;
  readonly #handlers: ConntrackEventHandlers;
  #waiting: ((since: number | undefined) => void)[] = [];
  #messages: Buffer[] = [];
  /** Why nothing more is reported. Never rejects. */
  readonly ended: Promise<string>;

  /** @param commands whose programs run until their starter ends them */
  constructor(commands: Commands, handlers: ConntrackEventHandlers) {
    this.#handlers = handlers;
    this.#helper = startLineHelper(commands, ['perl', '-e', script, clockCall, String(messagesPerSecond)]);
    this.#helper.onLine = (line) => {
      this.#line(line);
    };
    this.ended = this.#helper.finished.then(({ problem }) => {
      for (const resolve of this.#waiting.splice(0)) resolve(undefined);
      return problem === '' ? 'perl ended' : problem;
    });
  }

  /**
   * From now on, what this filter lets through is given (connection-filter.ts).
   * @returns from when on, by the node's clock; undefined where nothing comes any more
   */
  async want(filter: Uint8Array): Promise<number | undefined> {
    if (this.#helper.hasFinished) return undefined;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#helper.write(`${Buffer.from(filter).toString('hex')}\n`);
    });
  }

  end(): void {
    this.#helper.end();
  }

  #line(line: string): void {
    const [kind, ...words] = line.split(' ');
    switch (kind) {
      case 'e':
        this.#messages.push(Buffer.from(words[0] ?? '', 'hex'));
        break;
      case 't': {
        const messages = this.#messages;
        this.#messages = [];
        this.#handlers.onMessages(messages, timeOf(words));
        break;
      }
      case 'l': {
        const count = Number(words[2]);
        this.#handlers.onDropped(Number.isSafeInteger(count) ? count : undefined, timeOf(words));
        break;
      }
      case 'r':
        this.#waiting.shift()?.(timeOf(words).latest);
        break;
      default:
    }
  }
}

const times = z.tuple([z.number(), z.number()]);

function timeOf(words: readonly string[]): ConntrackEventTime {
  const [latest, span] = times.parse(words.slice(0, 2).map(Number));
  return { latest, span };
}
