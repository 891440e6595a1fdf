/** The table of flags, against what parses, what helps, what checks and what completes. */
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { complete } from '../../../cmd/commands/completion.ts';
import {
  commandNames,
  commands,
  flagsOf,
  helpOf,
  shownName,
  typedFlag,
  type Command,
  type CommandName,
  type Conflict,
  type Flag,
} from '../../../cmd/cli/flags.ts';

const nothing = async (): Promise<string[]> => [];
const all = commandNames.flatMap((command) =>
  Object.entries(flagsOf(command)).map(([name, flag]): [string, string, Flag] => [command, name, flag]),
);

async function helpTextOf(command: string): Promise<string> {
  const parsed = await parseCommandLine([command, '--help'], 200);
  if (parsed.kind !== 'help') throw new Error(`no help for ${command}`);
  return parsed.text;
}

/** The error of a command line; undefined where it is accepted. */
async function complaint(words: readonly string[]): Promise<string | undefined> {
  try {
    await parseCommandLine(words, 100);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe.each(commandNames)('%s', (command) => {
  const { flags, word }: Command = commands[command];

  it('has each of its flags in its help, and no other', async () => {
    const text = await helpTextOf(command);
    // A line of a description may begin with a flag, too.
    const shown = new Set([...text.matchAll(/^ +(?:-\w, )?(?:--([a-z-]+)|-v)\b/gm)].map(([, name]) => name ?? 'v'));
    expect([...shown].sort()).toEqual([...Object.keys(flagsOf(command)), 'help'].sort());
    // The type and the default stand at the right, between the lines of a description.
    const usage = text.replace(/\[(?:boolean|string|default:[^\]]*)\]/g, '').replace(/\s+/g, ' ');
    for (const flag of Object.values(flags)) expect(usage).toContain(helpOf(command, flag));
  });

  it('completes its own flags, those of all commands, and no other', async () => {
    const { candidates } = await complete([command, '-'], nothing);
    expect(candidates).toEqual(
      [...Object.keys(flagsOf(command)).filter((name) => name.length > 1), 'help'].map(typedFlag).sort(),
    );
  });

  it('completes and accepts exactly the values that its flags may have', async () => {
    for (const [name, flag] of Object.entries(flagsOf(command))) {
      if (flag.values === undefined) continue;
      const { candidates } = await complete([command, `${typedFlag(name)}=`], nothing);
      expect(candidates).toEqual(flag.values.map((value) => `${typedFlag(name)}=${value}`));
      const own = word === undefined ? [] : [word.values?.[0] ?? 'auth-service'];
      const more = command === 'simulate' ? ['--from', '10.0.0.1', '--to', '10.0.0.2:80'] : ['--to', 'file'];
      const needed = 'to' in flags && command !== 'explain' ? more : [];
      for (const value of flag.values)
        expect((await complaint([command, ...own, ...needed, `--${name}=${value}`])) ?? '').not.toContain(
          'is not known',
        );
      expect(await complaint([command, ...own, ...needed, `--${name}=nonsense`])).toContain(
        `"nonsense" is not known; it is one of ${flag.values.join(', ')}.`,
      );
    }
  });

  it('takes each flag, with a value or without as the table says', async () => {
    for (const [name, { isSwitch, implied }] of Object.entries(flagsOf(command))) {
      const alone = await complaint([command, typedFlag(name)]);
      expect(alone ?? '').not.toContain('There is no flag');
      if (isSwitch || implied !== undefined) expect(alone ?? '').not.toContain('needs a value');
      else expect(alone).toContain('needs a value');
    }
  });

  it('refuses the flags of other commands', async () => {
    const foreignFlags = new Set(all.map(([, name]) => name).filter((name) => flagsOf(command)[name] === undefined));
    for (const name of foreignFlags)
      expect(await complaint([command, ...(word === undefined ? [] : ['auth-service']), `--${name}=1`])).toContain(
        `There is no flag "--${name}"`,
      );
  });
});

/** A value that the flag takes, whatever else is typed. */
const examples: Readonly<Record<string, string>> = {
  from: 'client-a',
  'node-ip': '10.0.0.3',
  timeout: '30s',
  since: '10m',
  settle: '5s',
  tail: '5',
  duration: '10s',
  'max-bytes': '1M',
  snaplen: '128',
  'request-timeout': '1s',
  v: '6',
};

function valueOf(command: CommandName, name: string): string {
  if (name === 'to') return { explain: '80', simulate: '10.0.0.2:80' }[command as string] ?? 'file';
  if (name === 'from' && command === 'simulate') return '10.0.0.1';
  return flagsOf(command)[name]?.values?.[0] ?? examples[name] ?? 'a';
}

/** The flag as it is typed, or the command's word. */
function typed(command: CommandName, name: string, value = valueOf(command, name)): string {
  const flag = flagsOf(command)[name];
  if (flag === undefined) return 'auth-service';
  return flag.isSwitch ? typedFlag(name) : `${typedFlag(name)}${name.length === 1 ? ' ' : '='}${value}`;
}

/** A command line with these and what they need. */
function lineOf(
  command: CommandName,
  names: readonly string[],
  values: Readonly<Record<string, string>> = {},
): string[] {
  const all = new Set(names);
  for (const name of names) {
    const { needs } = flagsOf(command)[name] ?? {};
    if (needs !== undefined) all.add(needs.flag);
  }
  const { word }: Command = commands[command];
  if (command === 'completion' || (word !== undefined && !excludesWord(command, all))) all.add(word?.name ?? '');
  if ('to' in flagsOf(command) && command !== 'explain') all.add('to');
  if (command === 'simulate') all.add('from');
  return [
    command,
    ...[...all].flatMap((name) => (name === 'shell' ? ['bash'] : typed(command, name, values[name]).split(' '))),
  ];
}

function excludesWord(command: CommandName, names: ReadonlySet<string>): boolean {
  const { word }: Command = commands[command];
  return [...names].some((name) =>
    (flagsOf(command)[name]?.conflicts ?? []).some((conflict) => conflict.with.includes(word?.name ?? '')),
  );
}

const conflicts = commandNames.flatMap((command) =>
  Object.entries(flagsOf(command)).flatMap(([name, flag]) =>
    (flag.conflicts ?? []).flatMap((conflict) =>
      conflict.with.map((other): [CommandName, string, string, Conflict, Flag] => [
        command,
        name,
        other,
        conflict,
        flag,
      ]),
    ),
  ),
);
const isOffered = async (line: readonly string[], name: string): Promise<boolean> =>
  (await complete([...line, '-'], nothing)).candidates.includes(typedFlag(name));

describe.each(conflicts)('%s: --%s beside %s', (command, name, other, conflict, flag) => {
  it('names a flag of the command, or its word, with which the check refuses it', async () => {
    const { word }: Command = commands[command];
    expect([...Object.keys(flagsOf(command)), word?.name]).toContain(other);
    for (const value of conflict.values ?? [valueOf(command, name)]) {
      const refusal = await complaint(lineOf(command, [name, other], { [name]: value }));
      expect(refusal).toContain(shownName(command, name));
      expect(refusal).toContain(shownName(command, other));
      expect(refusal).toContain(`: ${conflict.why}.`);
    }
    for (const value of flag.values ?? [])
      if (conflict.values?.includes(value) === false)
        expect(await complaint(lineOf(command, [name, other], { [name]: value }))).toBe(undefined);
  });

  it('is not offered by completion, which offers each alone', async () => {
    if (conflict.unless !== undefined || name.length === 1) return;
    expect(await isOffered([command], name)).toBe(true);
    // A value of the flag may fit; what is typed already is known.
    if (conflict.values === undefined) expect(await isOffered([command, typed(command, other)], name)).toBe(false);
    if (flagsOf(command)[other] === undefined) return;
    for (const value of conflict.values ?? [valueOf(command, name)])
      expect(await isOffered([command, typed(command, name, value)], other)).toBe(false);
  });
});

it.each(
  commandNames.flatMap((command) =>
    Object.entries(flagsOf(command)).flatMap(([name, { needs }]): [CommandName, string, string, string][] =>
      needs === undefined ? [] : [[command, name, needs.flag, needs.why]],
    ),
  ),
)('%s: --%s is refused without %s', async (command, name, needed, why) => {
  const { word }: Command = commands[command];
  expect([...Object.keys(flagsOf(command)), word?.name]).toContain(needed);
  const without = lineOf(command, [name]).filter(
    (each) => each !== (needed === word?.name ? 'auth-service' : typed(command, needed)),
  );
  expect(await complaint(without)).toBe(`${shownName(command, name)} needs ${shownName(command, needed)}: ${why}.`);
  expect((await complaint(lineOf(command, [name]))) ?? '').not.toContain('needs');
});

describe.each(commandNames)('%s', (command) => {
  it('accepts any two of its flags that the table lets go together', async () => {
    const names = Object.keys(commands[command].flags);
    const clash = (one: string, other: string): boolean =>
      conflicts.some(
        ([of, name, beside]) =>
          of === command && ((name === one && beside === other) || (name === other && beside === one)),
      );
    const withNeeded = (name: string): string[] => {
      const { needs } = flagsOf(command)[name] ?? {};
      return needs === undefined ? [name] : [name, needs.flag];
    };
    const isWhole = (set: ReadonlySet<string>): boolean =>
      ![...set].some((one) => [...set].some((other) => clash(one, other)));
    const tried = new Set<string>();
    for (const one of names)
      for (const other of names) {
        let line = new Set([...withNeeded(one), ...withNeeded(other)]);
        if (tried.has(`${one} ${other}`) || !isWhole(line)) continue;
        // With as many others as go with them: one line tries every pair of its flags.
        for (const name of names) {
          const more = new Set([...line, ...withNeeded(name)]);
          if (isWhole(more)) line = more;
        }
        for (const first of line) for (const second of line) tried.add(`${first} ${second}`);
        const words = lineOf(command, [...line]);
        expect(await complaint(words), words.join(' ')).toBe(undefined);
      }
  });
});

it('no flag takes a value in one command and none in another, and no short name means two things in one', () => {
  const kinds = new Map<string, Set<boolean>>();
  for (const [, name, { isSwitch, alias }] of all)
    for (const each of [name, ...(alias === undefined ? [] : [alias])])
      kinds.set(each, new Set([...(kinds.get(each) ?? []), isSwitch]));
  expect([...kinds].filter(([, each]) => each.size > 1)).toEqual([]);
  for (const command of commandNames) {
    const shorts = Object.values(flagsOf(command)).flatMap(({ alias }) => alias ?? []);
    expect(new Set(shorts).size).toBe(shorts.length);
  }
});
