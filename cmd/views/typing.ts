/** Keys in a line that is typed. */
import type { Dispatch } from 'react';
import type { Pressed } from './keys.ts';
import type { Input, LiveAction } from './state/live-state.ts';

export interface Typing {
  readonly dispatch: Dispatch<LiveAction>;
  /** The line is complete. */
  readonly take: (input: Input) => void;
  /** How many commands are offered for what is typed. */
  readonly offered: () => number;
  readonly quit: () => void;
}

/** The line as it is after the key; undefined where it is closed. */
export function typeKey(
  input: Input,
  text: string,
  key: Pressed,
  { dispatch, take, offered, quit }: Typing,
): Input | undefined {
  const type = (typed: string, chosen = 0): Input => {
    dispatch({ type: 'type', text: typed, chosen });
    return { ...input, text: typed, chosen };
  };
  const close = (): undefined => {
    dispatch({ type: 'closeInput', isKept: false });
  };
  if (key.ctrl && text === 'c') {
    quit();
    return undefined;
  }
  if (key.escape) return close();
  if (key.return) {
    take(input);
    return undefined;
  }
  if (key.upArrow || key.downArrow || key.tab) {
    const by = key.upArrow || (key.tab && key.shift) ? -1 : 1;
    return input.kind === 'command' ? type(input.text, Math.max(0, Math.min(input.chosen + by, offered() - 1))) : input;
  }
  if (key.backspace || key.delete) return input.text === '' ? close() : type([...input.text].slice(0, -1).join(''));
  if (key.ctrl && text === 'u') return type('');
  return text !== '' && !key.ctrl ? type(input.text + text.replace(/\p{Cc}/gu, '')) : input;
}
