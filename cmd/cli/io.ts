/** The process around a command: its streams, its environment, and the signal that ends it. */

export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
  /** For what the user asked to get as it is; where it is absent, `write` does. */
  writeRaw?(text: string): unknown;
}

export interface Io {
  /** The result, and nothing else. */
  readonly stdout: OutputStream;
  /** Progress and notices. */
  readonly stderr: OutputStream;
  readonly stdin: { readonly isTTY?: boolean | undefined };
  readonly env: Environment;
  /** Aborts with an InterruptedError. */
  readonly signal: AbortSignal;
}

/** A TUI needs a terminal at both ends. */
export function isInteractive({ stdout, stdin }: Pick<Io, 'stdout' | 'stdin'>): boolean {
  return stdout.isTTY === true && stdin.isTTY === true;
}

/** Of a table whose cells are asked for by a program, too: where there is no terminal, nothing of it is cut. */
export function tableWidthOf(io: Pick<Io, 'stdout' | 'env'>): number {
  return io.stdout.columns === undefined && io.env['COLUMNS'] === undefined ? Infinity : widthOf(io);
}

/** Columns of the terminal; where there is none, COLUMNS or 120. */
export function widthOf({ stdout, env }: Pick<Io, 'stdout' | 'env'>): number {
  const fromEnvironment = Number(env['COLUMNS']);
  return stdout.columns ?? (Number.isInteger(fromEnvironment) && fromEnvironment >= 40 ? fromEnvironment : 120);
}
export type Environment = Readonly<Record<string, string | undefined>>;
