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

const readers: { readonly [Name in CommandName]: (values: Values) => Request } = {
  trace: readTraceRequest,
  explain: readExplainRequest,
  diagram: readDiagramRequest,
  report: readReportRequest,
  dns: readDnsRequest,
  logs: readLogsRequest,
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
export async function parseCommandLine(args: readonly string[], columns: number): Promise<Parsed> {
  const [first, ...rest] = args;
  // What follows __complete are the words that the user types: they are not flags of this command.
  if (first === '__complete')
    return { kind: 'request', request: { command: '__complete', words: rest, ...readCommon({}) } };
  let request: Request | undefined;
  let help = '';
  const use =
    (name: CommandName) =>
    (all: object): void => {
      const values = Object.fromEntries(Object.entries(all));
      checkCombinations(name, givenOf(name, values));
      request = readers[name](values);
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
    .strict()
    .recommendCommands()
    .updateStrings({
      'Unknown argument: %s': {
        one: 'There is no flag or argument "%s"; kubectl svctrace --help lists them.',
        other: 'There are no flags or arguments "%s"; kubectl svctrace --help lists them.',
      },
      'Not enough arguments following: %s': '--%s needs a value.',
    } as unknown as Record<string, string>)
    .wrap(Math.min(columns, 110))
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // yargs gives its own complaints as a message, and what a command threw as an error.
      if (error instanceof Error && message === null) throw error;
      throw new UsageError(sentence(message ?? error?.message ?? 'The command line is not understood.', args));
    });
  for (const name of commandNames) {
    const { describe, usage: line, word }: Command = commands[name];
    root.command(
      word === undefined ? name : `${name} [${word.name}]`,
      describe,
      (command) => withFlags(command.usage(usage(line)), name),
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

/** A first word that is no command is a Service; a second word shows that a command was meant. */
function sentence(message: string, args: readonly string[]): string {
  const unknown = /There (?:is no flag|are no flags) or arguments? "([^"]*)"/.exec(message)?.[1];
  const words = args.filter((arg) => !arg.startsWith('-'));
  const [first, second] = words;
  if (
    unknown !== undefined &&
    second !== undefined &&
    unknown.split(', ').includes(second) &&
    first !== undefined &&
    !commandNames.some((name) => name === first)
  ) {
    return `There is no command "${first}"; the commands are ${commandNames.join(', ')}. A Service is traced with kubectl svctrace SERVICE.`;
  }
  const flags = (unknown ?? '')
    .split(', ')
    .map((name) => args.find((arg) => arg.replace(/^-+/, '').split('=')[0] === name) ?? name);
  if (unknown !== undefined)
    return `There is no ${flags[0]?.startsWith('-') === true ? 'flag' : 'argument'} ${flags.map((name) => `"${name.split('=')[0] ?? name}"`).join(', ')}; kubectl svctrace --help lists what there is.`;
  return message;
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
