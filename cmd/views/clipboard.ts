/**
 * The clipboard of the machine that the terminal is on, by the escape sequence OSC 52: it works over SSH, and in tmux
 * where `set-clipboard` is on. The terminal does not say whether it took it.
 */
export function copySequence(text: string): string {
  return `\u001b]52;c;${Buffer.from(text).toString('base64')}\u0007`;
}
