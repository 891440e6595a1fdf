/** What operator and engine log: a sentence, and what it is about, so that a reader can filter by it. */

export interface LogSubject {
  readonly trace?: { readonly namespace: string; readonly name: string };
  readonly node?: string;
}

type WriteLine = (message: string, subject?: LogSubject) => void;

export interface Log {
  /** What goes as it should. */
  readonly info: WriteLine;
  /** What does not, and is tried again or done without. */
  readonly warn: WriteLine;
}

export const noLog: Log = { info: () => undefined, warn: () => undefined };
