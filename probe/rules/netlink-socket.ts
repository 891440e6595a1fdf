/**
 * A netlink socket of the kernel's nf_tables. Node has none, and perl-base has one (essential in Debian): the script
 * hands messages on in both directions as lines of hexadecimal digits. It knows where an answer ends, and sends nothing
 * but messages that only ask. One process serves all questions of a reading, and of those after it where programs are kept.
 */
import { NetlinkError, parseNetlinkMessages, type NetlinkMessage } from '../../core/nftables/netlink/message.ts';
import { askingMessageTypes } from '../../core/nftables/netlink/question.ts';
import { startLineHelper, type Commands, type LineHelper } from '../io/commands.ts';

/**
 * AF_NETLINK 16, SOCK_RAW 3, NETLINK_NETFILTER 12. A line is one message, whose header says so: its length, and a type
 * that is among the arguments. An answer ends with NLMSG_ERROR (2, which acknowledges too) or NLMSG_DONE (3), and an
 * empty line behind it.
 */
const script = String.raw`
my %asks = map { $_ => 1 } @ARGV;
$| = 1;
socket(my $kernel, 16, 3, 12) or die "netlink socket: $!\n";
while (my $line = <STDIN>) {
  chomp $line;
  my $question = pack("H*", $line);
  my ($length, $type) = length $question >= 16 ? unpack("LS", $question) : (0, 0);
  $length == length $question && $asks{$type} or die "netlink: a message of the type $type and $length bytes is not sent\n";
  defined send($kernel, $question, 0) or die "netlink send: $!\n";
  for (my $end = 0; !$end;) {
    defined recv($kernel, my $answer, 262144, 0) or die "netlink receive: $!\n";
    for (my $at = 0; $at + 16 <= length $answer;) {
      my ($length, $type) = unpack("LS", substr($answer, $at, 6));
      $length >= 16 or die "netlink: what was received is not a message\n";
      $end = 1 if $type == 2 || $type == 3;
      $at += ($length + 3) & ~3;
    }
    print unpack("H*", $answer), "\n";
  }
  print "\n";
}
`;

/** The words of the program, for a test that gives it other messages. */
export const netlinkCommand: readonly [string, ...string[]] = ['perl', '-e', script, ...askingMessageTypes.map(String)];

interface Waiting {
  readonly answers: NetlinkMessage[][];
  readonly count: number;
  readonly resolve: (answers: NetlinkMessage[][]) => void;
}

export class NetlinkSocket {
  readonly #commands: Commands;
  readonly #helper: LineHelper;
  readonly #failed: Promise<never>;
  #answer: NetlinkMessage[] = [];
  #broken: NetlinkError | undefined;
  #waiting: Waiting | undefined;

  constructor(commands: Commands) {
    this.#commands = commands;
    this.#helper = commands.kept?.take(netlinkCommand) ?? startLineHelper(commands, netlinkCommand);
    this.#helper.onLine = (line) => {
      this.#line(line);
    };
    this.#failed = this.#helper.finished.then(({ problem }) => {
      throw this.#broken ?? new NetlinkError(problem === '' ? 'perl ended before it had answered' : problem);
    });
    // Where nothing is asked any more, its end is not a failure.
    this.#failed.catch(() => undefined);
  }

  /** Its program served others before, and has ended since: another one may answer. */
  get hasWornOut(): boolean {
    return this.#helper.isReused && this.#helper.hasFinished && this.#broken === undefined;
  }

  /** What the kernel answered to each message. Rejects with NetlinkError where it could not be asked, or answered what is not a message. One call at a time. */
  async ask(messages: readonly Uint8Array[]): Promise<NetlinkMessage[][]> {
    if (messages.length === 0) return [];
    const answers = new Promise<NetlinkMessage[][]>((resolve) => {
      this.#waiting = { answers: [], count: messages.length, resolve };
    });
    this.#helper.write(messages.map((message) => `${Buffer.from(message).toString('hex')}\n`).join(''));
    return Promise.race([answers, this.#failed]);
  }

  close(): void {
    const isIdle = this.#waiting === undefined && this.#broken === undefined;
    if (isIdle && this.#commands.kept !== undefined) this.#commands.kept.give(this.#helper);
    else this.#helper.end();
  }

  #line(line: string): void {
    if (this.#broken !== undefined) return;
    if (line !== '') {
      this.#received(line);
      return;
    }
    const waiting = this.#waiting;
    waiting?.answers.push(this.#answer);
    this.#answer = [];
    if (waiting === undefined || waiting.answers.length < waiting.count) return;
    this.#waiting = undefined;
    waiting.resolve(waiting.answers);
  }

  #received(line: string): void {
    try {
      this.#answer.push(...parseNetlinkMessages(Buffer.from(line, 'hex')));
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      this.#broken = error;
      // And so the question.
      this.#helper.end();
    }
  }
}
