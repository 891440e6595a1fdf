/**
 * Writes the frames of a session to a stream whose reader may be slow: never more than the stream takes. What says that
 * we live goes first, and the answers take turns, frame by frame, so that a long one holds up no other.
 */
import type { Writable } from 'node:stream';
import type { ProbeFrame } from '../../core/wire/session-frames.ts';

/** Where more bytes than this wait, nothing more is begun. */
const heldBytes = 1024 * 1024;

export class FrameWriter {
  readonly #stream: Writable;
  readonly #onHeld: (isHeld: boolean) => void;
  #urgent: string[] = [];
  /** Lines that wait, by request; the first one is next. */
  readonly #answers = new Map<number, string[]>();
  /** UTF-16 units, which JSON of a node's records mostly has as bytes; as all lengths here. */
  #waiting = 0;
  #isHeld = false;
  #isFull = false;

  /** @param onHeld called when too much waits, and when it does no longer */
  constructor(stream: Writable, onHeld: (isHeld: boolean) => void) {
    this.#stream = stream;
    this.#onHeld = onHeld;
    stream.on('drain', () => {
      this.#isFull = false;
      this.#write();
    });
  }

  /** @returns the length of the line */
  send(frame: ProbeFrame): number {
    // One that waits says as much.
    if (frame.type === 'beat' && this.#urgent.length > 0) return 0;
    const line = `${JSON.stringify(frame)}\n`;
    this.#waiting += line.length;
    if (frame.type === 'record' || frame.type === 'end') {
      const lines = this.#answers.get(frame.id) ?? [];
      this.#answers.set(frame.id, lines);
      lines.push(line);
    } else this.#urgent.push(line);
    this.#write();
    return line.length;
  }

  /** Of this answer, what waits is not sent. */
  drop(id: number): void {
    for (const line of this.#answers.get(id) ?? []) this.#waiting -= line.length;
    this.#answers.delete(id);
  }

  #write(): void {
    while (!this.#isFull) {
      const line = this.#next();
      if (line === undefined) break;
      this.#waiting -= line.length;
      this.#isFull = !this.#stream.write(line);
    }
    const isHeld = this.#waiting > heldBytes;
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    this.#onHeld(isHeld);
  }

  #next(): string | undefined {
    const urgent = this.#urgent.shift();
    if (urgent !== undefined) return urgent;
    const [first] = this.#answers;
    if (first === undefined) return undefined;
    const [id, lines] = first;
    const line = lines.shift();
    // It comes last now.
    this.#answers.delete(id);
    if (lines.length > 0) this.#answers.set(id, lines);
    return line;
  }
}
