/** The table of flags, against what parses, what helps, what checks and what completes. */
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { complete } from '../../../cmd/commands/completion.ts';
import { commandNames, commands, flagsOf, typedFlag, type Command, type Flag } from '../../../cmd/cli/flags.ts';

const nothing = async (): Promise<string[]> => [];
const all = commandNames.flatMap((command) =>
  Object.entries(flagsOf(command)).map(([name, flag]): [string, string, Flag] => [command, name, flag]),
);

async function helpOf(command: string): Promise<string> {
  const parsed = await parseCommandLine([command, '--help'], 200);
  if (parsed.kind !== 'help') throw new Error(`no help for ${command}`);
  return parsed.text;
}

/** What is said of a command line; undefined where it is accepted. */
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
    const text = await helpOf(command);
    // A line of a description may begin with a flag, too.
    const shown = new Set([...text.matchAll(/^ +(?:-\w, )?(?:--([a-z-]+)|-v)\b/gm)].map(([, name]) => name ?? 'v'));
    expect([...shown].sort()).toEqual([...Object.keys(flagsOf(command)), 'help'].sort());
    for (const { describe: told } of Object.values(flags)) {
      const words = told.split(' ').slice(0, 4).join(' ');
      expect(text.replace(/\s+/g, ' ')).toContain(words);
    }
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
    const strangers = new Set(all.map(([, name]) => name).filter((name) => flagsOf(command)[name] === undefined));
    for (const name of strangers)
      expect(await complaint([command, ...(word === undefined ? [] : ['auth-service']), `--${name}=1`])).toContain(
        `There is no flag "--${name}"`,
      );
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
