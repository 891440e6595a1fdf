/** A colour for each pod of a log; red is left to errors, and the name stands beside it. */
import { styleText } from 'node:util';

const colors = ['cyan', 'green', 'magenta', 'yellow', 'blue', 'cyanBright', 'greenBright', 'magentaBright', 'yellowBright', 'blueBright'] as const;

/** Colours are given in the order in which pods come, and stay. */
export function createLogColors(useColor: boolean): (pod: string, text: string) => string {
  const given = new Map<string, (typeof colors)[number]>();
  return (pod, text) => {
    if (!useColor) return text;
    const color = given.get(pod) ?? colors[given.size % colors.length] ?? 'cyan';
    given.set(pod, color);
    return styleText(color, text, { validateStream: false });
  };
}
