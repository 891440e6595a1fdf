/** The kernel's answers over netlink, as test/fixtures/record-netlink.ts recorded them, in the place of a kernel. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lineSplitter } from '../../core/lib/line-splitter.ts';
import type { Commands, Finished } from '../../probe/io/commands.ts';

/** What a question is, but for its number in a row. */
const withoutSequence = (hex: string): string => `${hex.slice(0, 16)}00000000${hex.slice(24)}`;

/** Answers in hexadecimal digits, by question. */
export function recordedAnswers(): ReadonlyMap<string, readonly string[]> {
  const answers = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of readFileSync(fileURLToPath(new URL('../fixtures/netlink/v1.37.2.txt', import.meta.url)), 'utf8')
    .trim()
    .split('\n')) {
    if (line.startsWith('> ')) answers.set(withoutSequence(line.slice(2)), (current = []));
    else current.push(line.slice(2));
  }
  return answers;
}

/** NLMSG_ERROR with the number of an error. */
export function errorAnswer(number: number): string {
  const bytes = Buffer.alloc(36);
  bytes.writeUInt32LE(36, 0);
  bytes.writeUInt16LE(2, 4);
  bytes.writeInt32LE(-number, 16);
  return bytes.toString('hex');
}

/** The messages of an answer that is whole. */
export function messagesOf(answer: string): Buffer[] {
  const bytes = Buffer.from(answer, 'hex');
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += (bytes.readUInt32LE(at) + 3) & ~3)
    messages.push(bytes.subarray(at, at + bytes.readUInt32LE(at)));
  return messages;
}

/** The answer with something done to its first message. */
export function withFirst(answer: string, change: (message: Buffer) => void): string {
  const bytes = Buffer.from(answer, 'hex');
  change(bytes);
  return bytes.toString('hex');
}

function withSequence(answer: string, sequence: string): string {
  return withEach(answer, (message) => message.write(sequence, 8, 'hex'));
}

function withEach(answer: string, change: (message: Buffer) => void): string {
  const bytes = Buffer.from(answer, 'hex');
  for (let at = 0; at < bytes.length; at += (bytes.readUInt32LE(at) + 3) & ~3) change(bytes.subarray(at));
  return bytes.toString('hex');
}

const ended: Finished = { status: 0, problem: '', errors: [] };

/**
 * Answers as recorded; what was not recorded is not there. Runs no other program.
 * @param ran the programs that were run, in order
 * @param change what an answer is changed to; `count` questions came before
 */
export function recordedKernel(
  ran: string[] = [],
  change: (answer: readonly string[], count: number) => readonly string[] = (answer) => answer,
): Commands {
  const answers = recordedAnswers();
  let count = 0;
  return {
    stream: async (argv, onLine, input) => {
      ran.push(
        argv
          .slice(0, 1)
          .concat(argv[0] === 'nft' ? argv.slice(1) : [])
          .join(' '),
      );
      if (argv[0] !== 'perl' || typeof input !== 'object')
        return { status: 1, problem: `${argv[0]} fails`, errors: [`${argv[0]} fails`] };
      const lines = lineSplitter((question) => {
        const answer = (answers.get(withoutSequence(question)) ?? [errorAnswer(2)]).map((each) =>
          withSequence(each, question.slice(16, 24)),
        );
        for (const each of change(answer, count)) onLine(each);
        count += 1;
        onLine('');
      });
      for await (const chunk of input) lines.push(String(chunk));
      return ended;
    },
  };
}
