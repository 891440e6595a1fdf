/** Which flags go together: what the table of flags.ts says of conflicts and needs, applied to a command line. */
import { UsageError } from './errors.ts';
import { flagsOf, shownName, type CommandName, type Conflict, type Flag } from './flags.ts';

/** What was typed, by the name of the flag or of the command's word; a switch has no values. */
export type Given = ReadonlyMap<string, readonly string[]>;

/** @throws UsageError where flags exclude each other, or one needs another that was not given */
export function checkCombinations(command: CommandName, given: Given): void {
  const flags = flagsOf(command);
  const shown = (name: string): string => shownName(command, name);
  for (const [name, values] of given) {
    const flag = flags[name];
    if (flag === undefined) continue;
    const { needs } = flag;
    if (needs !== undefined && !given.has(needs.flag))
      throw new UsageError(`${shown(name)} needs ${shown(needs.flag)}: ${needs.why}.`);
    for (const conflict of flag.conflicts ?? []) {
      const other = conflict.with.find((each) => given.has(each));
      if (other === undefined || !applies(conflict, values) || isExcepted(conflict, values, given)) continue;
      const own = conflict.values === undefined ? shown(name) : withValue(shown(name), flag, values.at(-1) ?? '');
      throw new UsageError(
        conflict.isMutual === true
          ? `${own} and ${shown(other)} exclude each other: ${conflict.why}.`
          : `${own} has no meaning with ${shown(other)}: ${conflict.why}.`,
      );
    }
  }
}

/** Whether the flag could still be typed behind what is given: completion offers no other. */
export function fits(command: CommandName, name: string, given: Given): boolean {
  const flags = flagsOf(command);
  const meets = (own: string, values: readonly string[] | undefined, others: ReadonlySet<string>): boolean =>
    (flags[own]?.conflicts ?? []).some(
      (conflict) =>
        conflict.unless === undefined &&
        // The value that is about to be typed may be one that fits.
        (values === undefined ? conflict.values === undefined : applies(conflict, values)) &&
        conflict.with.some((each) => others.has(each)),
    );
  const itself = new Set([name]);
  return (
    !meets(name, undefined, new Set(given.keys())) &&
    ![...given].some(([other, values]) => meets(other, values, itself))
  );
}

function applies({ values: wanted }: Conflict, values: readonly string[]): boolean {
  return wanted === undefined || wanted.includes(values.at(-1) ?? '');
}

function isExcepted({ unless }: Conflict, values: readonly string[], given: Given): boolean {
  return unless !== undefined && given.has(unless.withFlag) && values.length === 1;
}

function withValue(shown: string, { implied, isSwitch }: Flag, value: string): string {
  if (isSwitch || value === implied) return shown;
  return `${shown}${shown.startsWith('--') ? '=' : ' '}${value}`;
}
