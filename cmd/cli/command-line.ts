/** The yargs root, made from the table of flags.ts. options.ts turns what it parsed into a request. */
import yargs, { type Argv, type Options } from 'yargs';
import { checkCombinations } from './combinations.ts';
import { UsageError } from './errors.ts';
import {
  commandNames,
  commands,
  flagsOf,
  globalFlags,
  helpOf,
  otherFlags,
  typedFlag,
  type Command,
  type CommandName,
  type Flags,
} from './flags.ts';
import {
  givenOf,
  readCaptureRequest,
  readCommon,
  readCompletionRequest,
  readDiagramRequest,
  readExplainRequest,
  readDnsRequest,
  readFindingsRequest,
  readInstallRequest,
  readLogsRequest,
  readRecordRequest,
  readReportRequest,
  readRolloutRequest,
  readSimulateRequest,
  readStatusRequest,
  readTraceRequest,
  readUninstallRequest,
  readVersionRequest,
  type Values,
} from './options.ts';
import type { Request } from './request.ts';

export type Parsed =
  { readonly kind: 'request'; readonly request: Request } | { readonly kind: 'help'; readonly text: string };

/** Given also the words behind `--`. */
const readers: { readonly [Name in CommandName]: (values: Values, run: readonly string[]) => Request } = {
  trace: readTraceRequest,
  explain: readExplainRequest,
  diagram: readDiagramRequest,
  report: readReportRequest,
  dns: readDnsRequest,
  logs: readLogsRequest,
  rollout: readRolloutRequest,
  capture: readCaptureRequest,
  simulate: readSimulateRequest,
  record: readRecordRequest,
  findings: readFindingsRequest,
  install: readInstallRequest,
  uninstall: readUninstallRequest,
  status: readStatusRequest,
  version: readVersionRequest,
  completion: readCompletionRequest,
};

/** `--connect` by what it stands for alone: yargs would take the next word for its value. */
const implied: ReadonlyMap<string, string> = new Map(
  commandNames.flatMap((name) =>
    Object.entries(flagsOf(name)).flatMap(([flag, { implied: alone }]) =>
      alone === undefined ? [] : [[typedFlag(flag), `${typedFlag(flag)}=${alone}`] as const],
    ),
  ),
);

/** @throws UsageError */
export async function parseCommandLine(given: readonly string[], columns: number): Promise<Parsed> {
  const [first, ...rest] = given;
  // What follows __complete are the words that the user types: they are not flags of this command.
  if (first === '__complete')
    return { kind: 'request', request: { command: '__complete', words: rest, ...readCommon({}) } };
  const dashes = given.indexOf('--');
  const [args, run] = dashes === -1 ? [given, []] : [given.slice(0, dashes), given.slice(dashes + 1)];
  let request: Request | undefined;
  let help = '';
  const use =
    (name: CommandName) =>
    (all: object): void => {
      const values = Object.fromEntries(Object.entries(all));
      checkKnown(name, values, args);
      checkCombinations(name, givenOf(name, values));
      const { takesCommand }: Command = commands[name];
      if (dashes !== -1 && takesCommand !== true)
        throw new UsageError(
          `Nothing stands behind -- here: a command is run by kubectl svctrace rollout SERVICE -- COMMAND alone.`,
        );
      if (dashes !== -1 && run.length === 0)
        throw new UsageError('Which command? Write it behind --, such as -- kubectl rollout restart deploy/auth.');
      request = readers[name](values, run);
    };
  const root = yargs()
    .scriptName('kubectl svctrace')
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'boolean-negation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .usage(
      `${usage('SERVICE [flags]')}\n\nShows the whole path of a Service on every node, live, and says what is wrong with it.`,
    )
    .command('$0 [service]', false, (command) => withFlags(command, 'trace'), use('trace'))
    .epilogue(
      'Exit status: 0 no finding at or above --fail-on; 1 findings; 2 usage;\n3 cluster not reachable or forbidden; 4 Service not found; 5 partial, some nodes did not answer',
    )
    .help('help')
    .alias('help', 'h')
    .version(false)
    .updateStrings({ 'Not enough arguments following: %s': '--%s needs a value.' })
    .wrap(Math.min(columns, 110))
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // yargs gives its own complaints as a message, and what a command threw as an error.
      if (error instanceof Error && message === null) throw error;
      throw new UsageError(message ?? error?.message ?? 'The command line is not understood.');
    });
  for (const name of commandNames) {
    const { describe, usage: line, word, examples = [], exitStatus }: Command = commands[name];
    root.command(
      word === undefined ? name : `${name} [${word.name}]`,
      describe,
      (command) =>
        withFlags(
          examples.reduce(
            (before, [example, does]) => before.example(`kubectl svctrace ${example}`, does),
            command.usage(usage(line)).epilogue(exitStatus ?? ''),
          ),
          name,
        ),
      use(name),
    );
  }
  const words = args.map((arg) => implied.get(arg) ?? arg);
  await root.parse(words, {}, (_error, _values, output) => {
    help = output;
  });
  if (request !== undefined) return { kind: 'request', request };
  return { kind: 'help', text: help };
}

function usage(line: string): string {
  return `Usage: kubectl svctrace ${line}`;
}

/**
 * What yargs parsed and the table does not know. A first word that is not a command is a Service; a second word shows that a
 * command was meant.
 * @throws UsageError
 */
function checkKnown(name: CommandName, values: Values, args: readonly string[]): void {
  const { word }: Command = commands[name];
  const known = new Set([
    '_',
    '$0',
    'help',
    'h',
    ...(word === undefined ? [] : [word.name]),
    ...Object.entries(flagsOf(name)).flatMap(([flag, { alias }]) => [flag, ...(alias === undefined ? [] : [alias])]),
  ]);
  const words = wordsOf(values).filter((each, index) => index > 0 || each !== name);
  const [first] = args.filter((arg) => !arg.startsWith('-'));
  if (words.length > 0 && first !== undefined && !commandNames.some((each) => each === first))
    throw new UsageError(
      `There is no command "${first}"; the commands are ${commandNames.join(', ')}. A Service is traced with kubectl svctrace SERVICE.`,
    );
  // As it was typed, but without a value.
  const typed = (key: string): string =>
    args.map((arg) => arg.split('=')[0] ?? arg).find((arg) => arg.replace(/^-+/, '') === key) ?? key;
  const unknown = [
    ...Object.keys(values)
      .filter((key) => !known.has(key))
      .map(typed),
    ...words,
  ];
  const [one] = unknown;
  if (one !== undefined)
    throw new UsageError(
      `There is no ${one.startsWith('-') ? 'flag' : 'argument'} ${unknown.map((each) => `"${each}"`).join(', ')}; kubectl svctrace --help lists what there is.`,
    );
}

/** The words that are no flags, nor their values; a command's name is the first. */
function wordsOf(values: Values): string[] {
  const words: unknown = values['_'];
  return Array.isArray(words) ? words.map(String) : [];
}

/** A command's own flags come first in its help. */
function withFlags(command: Argv, name: CommandName): Argv {
  const { word, flags }: Command = commands[name];
  const first = optionsOf(name, { ...flags, ...otherFlags });
  const others = optionsOf(name, globalFlags);
  return (word === undefined ? command : command.positional(word.name, { type: 'string', describe: word.describe }))
    .options(first)
    .group([...Object.keys(first), 'help'], 'Flags:')
    .options(others)
    .group(Object.keys(others), 'Flags of kubectl:');
}

function optionsOf(command: CommandName, flags: Flags): Record<string, Options> {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]): [string, Options] => [
      name,
      {
        describe: helpOf(command, flag),
        ...(flag.isSwitch ? { type: 'boolean' } : { type: 'string', requiresArg: true }),
        ...(flag.alias === undefined ? {} : { alias: flag.alias }),
        ...(flag.shown === undefined ? {} : { defaultDescription: flag.shown }),
      },
    ]),
  );
}
