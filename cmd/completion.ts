/** Completion: kubectl's own protocol, and scripts for shells in which the plugin is called by its file's name. */
import { connect } from './client.ts';
import { commandNames } from './command-line.ts';
import { UsageError } from './errors.ts';
import type { Io } from './io.ts';
import { readCommon } from './options.ts';
import { visibleText } from './printers/visible.ts';
import { colorModes, outputFormats, type CompleteRequest, type CompletionRequest } from './request.ts';

/** cobra's ShellCompDirective: no file names, where we know better; the default, where a file is meant. */
const directives = { noFiles: 4, files: 0 } as const;

/** Values that a flag may have; `file` lets the shell complete. */
const flagValues: Readonly<
  Record<string, readonly string[] | 'file' | 'any' | 'namespaces' | 'nodes' | 'pods' | 'traces'>
> = {
  '--output': outputFormats,
  '-o': outputFormats,
  '--conntrack': ['none', 'summary', 'entries'],
  '--connect': ['none', 'transport', 'http'],
  '--fail-on': ['error', 'warning'],
  '--color': colorModes,
  '--bundle': 'file',
  '--to': 'file',
  '--kubeconfig': 'file',
  '--certificate-authority': 'file',
  '--client-certificate': 'file',
  '--client-key': 'file',
  '--namespace': 'namespaces',
  '-n': 'namespaces',
  '--node': 'nodes',
  '--from': 'pods',
  '--trace': 'traces',
  ...Object.fromEntries(
    [
      '--context',
      '--cluster',
      '--user',
      '--server',
      '-s',
      '--token',
      '--as',
      '--as-group',
      '--as-uid',
      '--tls-server-name',
      '--request-timeout',
      '--timeout',
      '--probe-image',
      '--probe-namespace',
      '-v',
      '--container',
      '-c',
      '--selector',
      '-l',
      '--since',
      '--tail',
      '--duration',
      '--max-bytes',
      '--snaplen',
    ].map((flag) => [flag, 'any'] as const),
  ),
};

const switches = [
  '--watch',
  '--standalone',
  '--keep',
  '--all-namespaces',
  '--insecure-skip-tls-verify',
  '--help',
  '--dry-run',
  '--yes',
  '--exec',
  '--follow',
  '-f',
  '--previous',
  '--kube-proxy',
  '--overwrite',
  '--raw',
];

/** Commands whose first word is a Service. */
const serviceCommands: ReadonlySet<string> = new Set([
  'trace',
  'explain',
  'diagram',
  'report',
  'dns',
  'logs',
  'capture',
  'simulate',
  'record',
]);

/** Prints the candidates, then the directive. What the cluster does not tell is left out: a completion never fails. */
export async function runComplete({ words }: CompleteRequest, io: Io): Promise<number> {
  const { candidates, directive } = await complete(words, (words_, kind) => ask(words_, kind, io));
  io.stdout.write(`${[...candidates.map(visibleText), `:${directive}`].join('\n')}\n`);
  return 0;
}

type Asked = 'services' | 'namespaces' | 'nodes' | 'pods' | 'traces';

export async function complete(
  words: readonly string[],
  askCluster: (words: readonly string[], kind: Asked) => Promise<string[]>,
): Promise<{ candidates: string[]; directive: number }> {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const starting = (candidates: readonly string[], prefix = ''): string[] =>
    candidates.map((candidate) => prefix + candidate).filter((candidate) => candidate.startsWith(typed));
  const equals = /^(--[a-z-]+)=/.exec(typed)?.[1];
  const flag = equals ?? before.at(-1) ?? '';
  // --connect stands alone where no value is joined to it.
  const values = flag === '--connect' && equals === undefined ? undefined : flagValues[flag];
  if (values !== undefined) {
    const prefix = equals === undefined ? '' : `${equals}=`;
    if (values === 'file') return { candidates: [], directive: directives.files };
    if (values === 'any') return { candidates: [], directive: directives.noFiles };
    const known = typeof values === 'string' ? await askCluster(before, values) : values;
    return { candidates: starting(known, prefix), directive: directives.noFiles };
  }
  if (typed.startsWith('-')) {
    return {
      candidates: starting([...Object.keys(flagValues).filter((name) => name.startsWith('--')), ...switches].sort()),
      directive: directives.noFiles,
    };
  }
  const positionals = positionalsOf(before);
  const [command] = positionals;
  const takesService = command !== undefined && serviceCommands.has(command);
  if (positionals.length === 0)
    return {
      candidates: starting([
        ...commandNames.filter((name) => name !== 'trace'),
        ...(await askCluster(before, 'services')),
      ]),
      directive: directives.noFiles,
    };
  if (takesService && positionals.length === 1)
    return { candidates: starting(await askCluster(before, 'services')), directive: directives.noFiles };
  if (command === 'completion' && positionals.length === 1)
    return { candidates: starting(['bash', 'zsh', 'fish']), directive: directives.noFiles };
  return { candidates: [], directive: directives.noFiles };
}

/** Words that are neither flags nor the values of flags. */
function positionalsOf(words: readonly string[]): string[] {
  return words.filter(
    (word, index) =>
      !word.startsWith('-') && (words[index - 1] === '--connect' || flagValues[words[index - 1] ?? ''] === undefined),
  );
}

async function ask(words: readonly string[], kind: Asked, io: Io): Promise<string[]> {
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
    const client = connect(readCommon({ ...given, 'request-timeout': '3s' }).flags, io.env, () => undefined);
    switch (kind) {
      case 'services':
        return (await client.listServices(client.namespace)).map(({ name }) => name);
      case 'namespaces':
        return await client.listNamespaces();
      case 'nodes':
        return await client.listNodes();
      case 'pods':
        return await client.listPods(client.namespace);
      case 'traces':
        return (await client.listTraces(client.namespace)).flatMap(({ metadata }) => metadata.name ?? []);
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
