/** Asking many witnesses at once: new connections from a network namespace, and who answered each (testpod ask). */
import { execa } from 'execa';
import * as z from 'zod';
import { enterCommand } from '../cluster/components.ts';

/** A number of new connections to one address and port, made one after the other. */
export interface Question {
  /** Unique among those asked together. */
  readonly id: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Own address to use; the route's choice, if not given. */
  readonly from?: string;
  /** `address:port`, or `[address]:port`. */
  readonly to: string;
  readonly count: number;
  /** For each connection, its answer included. */
  readonly timeoutMillis: number;
  /** So many failures end the question. */
  readonly maxFailures: number;
}

const answerSchema = z.object({
  id: z.string(),
  witnesses: z.array(
    z.object({
      /** `name:port` of who answered. */
      name: z.string(),
      /** The client's address as the witness saw it, and as it was. */
      source: z.string(),
      ownSource: z.string(),
      count: z.int(),
      /** How many of them came from the port that the client had sent them from. */
      samePort: z.int(),
    }),
  ),
  failures: z.array(z.object({ kind: z.string(), count: z.int() })),
});

/** Who answered a question, and how often it failed (`refused`, `timeout`, `unreachable`, or an error's text). */
export type Answer = z.infer<typeof answerSchema>;

export interface Inquirer {
  /** Asks groups of questions: groups side by side, a group's questions one after the other. */
  ask(groups: readonly (readonly Question[])[]): Promise<ReadonlyMap<string, Answer>>;
}

/** An inquirer in the network namespace of a process. */
export function askIn(pid: number, testpod: string): Inquirer {
  return {
    ask: async (groups) => {
      const [program = '', ...args] = enterCommand(pid, false, [testpod, 'ask']);
      const { stdout } = await execa(program, args, {
        input: groups.map((group) => `${JSON.stringify(group)}\n`).join(''),
        maxBuffer: 256 * 1024 * 1024,
      });
      const answers = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => answerSchema.parse(JSON.parse(line)));
      return new Map(answers.map((answer) => [answer.id, answer]));
    },
  };
}
