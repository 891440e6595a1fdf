/** Completion: kubectl's own protocol, and scripts for shells in which the plugin is called by its file's name. */
import { connect } from '../cluster/cluster-client.ts';
import {
  commandNames,
  commands,
  flagsOf,
  typedFlag,
  type Command,
  type CommandName,
  type Flag,
  type Listed,
} from '../cli/flags.ts';
import { fits, type Given } from '../cli/combinations.ts';
import { UsageError } from '../cli/errors.ts';
import type { Io } from '../cli/io.ts';
import { readCommon } from '../cli/options.ts';
import { visibleText } from '../../core/lib/visible.ts';
import type { CompleteRequest, CompletionRequest } from '../cli/request.ts';

/** cobra's ShellCompDirective: no file names, where we know better; the default, where a file is meant. */
const directives = { noFiles: 4, files: 0 } as const;

/** Every flag that takes a value, as it may be typed: no flag takes one in one command and none in another. */
const valueFlags: ReadonlyMap<string, Flag> = new Map(
  commandNames.flatMap((name) => [...typedFlags(name)]).filter(([, { isSwitch }]) => !isSwitch),
);

/** The flags of a command by what is typed, short ones too. */
function typedFlags(command: CommandName): Map<string, Flag> {
  return new Map(
    Object.entries(flagsOf(command)).flatMap(([name, flag]) =>
      [name, ...(flag.alias === undefined ? [] : [flag.alias])].map((each) => [typedFlag(each), flag] as const),
    ),
  );
}

/** Prints the candidates, then the directive. What the cluster does not report is left out: a completion never fails. */
export async function runComplete({ words }: CompleteRequest, io: Io): Promise<number> {
  const { candidates, directive } = await complete(words, (words_, kind) => ask(words_, kind, io));
  io.stdout.write(`${[...candidates.map(visibleText), `:${directive}`].join('\n')}\n`);
  return 0;
}

type ClusterList = Exclude<Listed, 'findings'>;

export async function complete(
  words: readonly string[],
  askCluster: (words: readonly string[], kind: ClusterList) => Promise<string[]>,
): Promise<{ candidates: string[]; directive: number }> {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const result = (
    candidates: readonly string[],
    prefix = '',
    directive: number = directives.noFiles,
  ): { candidates: string[]; directive: number } => ({
    candidates: candidates.map((candidate) => prefix + candidate).filter((candidate) => candidate.startsWith(typed)),
    directive,
  });
  const candidatesOf = async ({ values, names }: Pick<Flag, 'values' | 'names'>): Promise<readonly string[]> => {
    if (values !== undefined) return values;
    if (names === undefined || names === 'file') return [];
    if (names === 'findings') return (await import('../../core/diagnose/catalogue.ts')).catalogue.map(({ id }) => id);
    return askCluster(before, names);
  };
  // Behind it stands a command of another program.
  if (before.includes('--')) return result([], '', directives.files);
  const positionals = positionalsOf(before);
  const [first] = positionals;
  const named = commandNames.find((name) => name === first);
  // A bare SERVICE is traced.
  const command = named ?? 'trace';
  const flags = typedFlags(command);
  const equals = /^(--[a-z-]+)=/.exec(typed)?.[1];
  const flag = flags.get(equals ?? before.at(-1) ?? '');
  if (flag !== undefined && !flag.isSwitch && (equals !== undefined || flag.implied === undefined))
    return result(
      await candidatesOf(flag),
      equals === undefined ? '' : `${equals}=`,
      flag.names === 'file' ? directives.files : directives.noFiles,
    );
  const { word }: Command = commands[command];
  if (typed.startsWith('-')) {
    const given = givenOf(command, before, positionals[named === undefined ? 0 : 1]);
    const fitting = Object.keys(flagsOf(command)).filter((name) => name.length > 1 && fits(command, name, given));
    return result([...fitting, 'help'].map(typedFlag).sort());
  }
  if (positionals.length === 0)
    return result([...commandNames.filter((name) => name !== 'trace'), ...(await askCluster(before, 'services'))]);
  return result(word === undefined || named === undefined || positionals.length > 1 ? [] : await candidatesOf(word));
}

/** What stands before the word that is typed. @param word the command's own */
function givenOf(command: CommandName, before: readonly string[], word: string | undefined): Given {
  const given = new Map<string, string[]>();
  const { word: own }: Command = commands[command];
  if (own !== undefined && word !== undefined) given.set(own.name, [word]);
  for (const [index, each] of before.entries()) {
    const [, typed = '', joined] = /^(-[^=]+)(?:=(.*))?$/.exec(each) ?? [];
    const found = Object.entries(flagsOf(command)).find(
      ([name, { alias }]) => typed === typedFlag(name) || (alias !== undefined && typed === typedFlag(alias)),
    );
    if (found === undefined) continue;
    const [name, { isSwitch, implied }] = found;
    const value = joined ?? implied ?? before[index + 1];
    given.set(name, [...(given.get(name) ?? []), ...(isSwitch || value === undefined ? [] : [value])]);
  }
  return given;
}

/** Words that are neither flags nor the values of flags. */
function positionalsOf(words: readonly string[]): string[] {
  const takesNext = (word: string | undefined): boolean => {
    const flag = valueFlags.get(word ?? '');
    return flag !== undefined && flag.implied === undefined;
  };
  return words.filter((word, index) => !word.startsWith('-') && !takesNext(words[index - 1]));
}

async function ask(words: readonly string[], kind: ClusterList, io: Io): Promise<string[]> {
  const value = (...names: string[]): string | undefined => {
    for (const [index, word] of words.entries()) {
      if (names.includes(word)) return words[index + 1];
      const name = names.find((each) => word.startsWith(`${each}=`));
      if (name !== undefined) return word.slice(name.length + 1);
    }
    return undefined;
  };
  const given = Object.fromEntries(
    [
      ['namespace', '-n'],
      ['context'],
      ['kubeconfig'],
      ['cluster'],
      ['user'],
      ['server', '-s'],
      ['token'],
      ['as'],
    ].flatMap(([name = '', short]) => {
      const own = value(`--${name}`, ...(short === undefined ? [] : [short]));
      return own === undefined || own === '' ? [] : [[name, own] as const];
    }),
  );
  try {
    const clusterClient = connect(readCommon({ ...given, 'request-timeout': '3s' }).flags, io.env, () => undefined);
    switch (kind) {
      case 'services':
        return (await clusterClient.listServices(clusterClient.namespace)).map(({ name }) => name);
      case 'namespaces':
        return await clusterClient.listNamespaces();
      case 'nodes':
        return await clusterClient.listNodes();
      case 'pods':
        return await clusterClient.listPods(clusterClient.namespace);
      case 'traces':
        return (await clusterClient.listTraces(clusterClient.namespace)).flatMap(({ metadata }) => metadata.name ?? []);
    }
  } catch {
    return [];
  }
}

/** For `kubectl svctrace`, kubectl asks the executable kubectl_complete-svctrace; these are for `kubectl-svctrace`. */
export function runCompletion({ shell }: CompletionRequest, io: Io): number {
  const script = scripts[shell];
  if (script === undefined) throw new UsageError(`There is no completion for ${shell}.`);
  io.stdout.write(script);
  return 0;
}

const note = `# For \`kubectl svctrace\`, put the file kubectl_complete-svctrace beside kubectl-svctrace on your PATH: kubectl asks it.
# This script is for calling the plugin by its own name, kubectl-svctrace.
`;

const scripts: Readonly<Record<string, string>> = {
  bash: `${note}_kubectl_svctrace() {
  local IFS=$'\\n' out
  out=$(kubectl-svctrace __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  COMPREPLY=($(printf '%s\\n' "$out" | sed '$d'))
  [ "\${out##*:}" = 0 ] && compopt -o default
}
complete -F _kubectl_svctrace kubectl-svctrace
`,
  zsh: `#compdef kubectl-svctrace
${note}_kubectl_svctrace() {
  local out
  out=$(kubectl-svctrace __complete "\${(@)words[2,CURRENT]}" 2>/dev/null) || return
  if [ "\${out##*:}" = 0 ]; then _files; else compadd -- "\${(@f)\${out%:*}}"; fi
}
compdef _kubectl_svctrace kubectl-svctrace
`,
  fish: `${note}function __kubectl_svctrace
  set -l words (commandline -opc) (commandline -ct)
  kubectl-svctrace __complete $words[2..-1] 2>/dev/null | string match -v -r '^:'
end
complete -c kubectl-svctrace -f -a '(__kubectl_svctrace)'
`,
};
