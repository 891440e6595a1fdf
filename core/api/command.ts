/** Commands that a finding proposes: each is one line that can be pasted into a shell as it is. */
import type { CommandStatus } from './service-trace.ts';

export type Command = Readonly<CommandStatus>;

/** What to do about a finding. */
export interface Action {
  /** Sentences, without a command. */
  readonly advice: string;
  /** What looks comes before what changes something. */
  readonly commands?: readonly Command[];
}

/** A command for the user's own shell. */
export function kubectl(...words: readonly string[]): Command {
  return { run: ['kubectl', ...words].map(shellWord).join(' ') };
}

/** A command for a root shell on a node. */
export function shellOn(node: string, ...words: readonly string[]): Command {
  return { node, run: words.map(shellWord).join(' ') };
}

/** The action, with a command that looks before it. */
export function afterLook(look: Command, { advice, commands = [] }: Action): Action {
  return { advice, commands: [look, ...commands] };
}

/** The action, with a sentence before its own. */
export function alsoLook(sentence: string, { advice, commands = [] }: Action): Action {
  return { advice: `${sentence} ${advice}`, commands };
}

/** Names come from the API, from nodes and from bundles: no character of theirs means something to the shell. */
function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (/^[ -~]*$/.test(word)) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const quoted = Array.from(new TextEncoder().encode(word), (byte) =>
    byte < 0x20 || byte > 0x7e
      ? String.raw`\x${byte.toString(16).padStart(2, '0')}`
      : byte === 0x27 || byte === 0x5c
        ? `\\${String.fromCharCode(byte)}`
        : String.fromCharCode(byte),
  );
  return `$'${quoted.join('')}'`;
}
