/** The yargs root: the commands, their flags and their help. options.ts turns what it parsed into a request. */
import yargs, { type Argv, type Options } from 'yargs';
import { UsageError } from './errors.ts';
import {
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

/** The commands that are listed; `trace` is the one that a bare SERVICE means. */
export const commandNames = [
  'trace',
  'explain',
  'diagram',
  'report',
  'dns',
  'logs',
  'capture',
  'simulate',
  'record',
  'findings',
  'install',
  'uninstall',
  'status',
  'version',
  'completion',
] as const;

/** @throws UsageError */
export async function parseCommandLine(args: readonly string[], columns: number): Promise<Parsed> {
  const [first, ...rest] = args;
  // What follows __complete are the words that the user types: they are not flags of this command.
  if (first === '__complete')
    return { kind: 'request', request: { command: '__complete', words: rest, ...readCommon({}) } };
  let request: Request | undefined;
  let help = '';
  const use =
    (read: (values: Values) => Request) =>
    (values: object): void => {
      request = read(Object.fromEntries(Object.entries(values)));
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
    .command('$0 [service]', false, (command) => withFlags(service(command), traceFlags), use(readTraceRequest))
    .command(
      'trace [service]',
      'Show a Service on every node (what a bare SERVICE means)',
      (command) => withFlags(service(command.usage(usage('trace SERVICE [flags]'))), traceFlags),
      use(readTraceRequest),
    )
    .command(
      'explain [service]',
      'Explain every rule that its packets meet, line by line; with --from, the whole way of one client',
      (command) =>
        withFlags(
          service(command.usage(usage('explain SERVICE [--from POD|IP] [--to PORT|IP:PORT] [flags]'))),
          explainFlags,
        ),
      use(readExplainRequest),
    )
    .command(
      'diagram [service]',
      'Draw its way: DNS, addresses, rules, EndpointSlices and pods',
      (command) => withFlags(service(command.usage(usage('diagram SERVICE [flags]'))), diagramFlags),
      use(readDiagramRequest),
    )
    .command(
      'report [service]',
      'Write all of it to one page for a browser, to be read offline or printed',
      (command) =>
        withFlags(service(command.usage(usage('report SERVICE --to FILE.html [--from POD|IP] [flags]'))), reportFlags),
      use(readReportRequest),
    )
    .command(
      'dns [service]',
      "Ask the cluster's DNS for the Service's names, and compare the answers",
      (command) => withFlags(service(command.usage(usage('dns SERVICE [flags]'))), dnsFlags),
      use(readDnsRequest),
    )
    .command(
      'logs [service]',
      "Show the logs of all pods behind a Service, or of kube-proxy with the Service's lines marked",
      (command) => withFlags(service(command.usage(usage('logs SERVICE [flags]'))), logsFlags),
      use(readLogsRequest),
    )
    .command(
      'capture [service]',
      "Write a Service's packets, before and after DNAT, to a file for Wireshark",
      (command) => withFlags(service(command.usage(usage('capture SERVICE --to FILE.pcapng [flags]'))), captureFlags),
      use(readCaptureRequest),
    )
    .command(
      'record [service]',
      'Write a trace to a file, to be shown with --bundle FILE',
      (command) => withFlags(service(command.usage(usage('record SERVICE --to FILE [flags]'))), recordFlags),
      use(readRecordRequest),
    )
    .command(
      'simulate [service]',
      "Say what rules do with one packet: a Service's, recorded or dumped ones",
      (command) =>
        withFlags(
          service(
            command.usage(
              usage(
                'simulate --from IP|POD --to IP:PORT[/tcp|udp|sctp] (SERVICE | --ruleset FILE | --bundle FILE) [flags]',
              ),
            ),
          ),
          simulateFlags,
        ),
      use(readSimulateRequest),
    )
    .command(
      'findings [id]',
      'List every finding there is with its meaning, or explain one',
      (command) =>
        withFlags(
          command
            .usage(usage('findings [ID] [flags]'))
            .positional('id', { type: 'string', describe: 'Such as RULE-EP-STALE' }),
          { output: { ...value('Output: table, json or yaml', 'table'), alias: 'o' } },
        ),
      use(readFindingsRequest),
    )
    .command(
      'install',
      'Install the CRD and the operator',
      (command) => withFlags(command.usage(usage('install [flags]')), installFlags),
      use(readInstallRequest),
    )
    .command(
      'uninstall',
      'Remove the operator, the CRD and all ServiceTraces',
      (command) => withFlags(command.usage(usage('uninstall [flags]')), uninstallFlags),
      use(readUninstallRequest),
    )
    .command(
      'status',
      'Show whether the operator runs, and what you may do',
      (command) =>
        withFlags(command.usage(usage('status [flags]')), {
          output: { ...value('Output: table, json or yaml', 'table'), alias: 'o' },
        }),
      use(readStatusRequest),
    )
    .command(
      'version',
      'Show the version of the plugin',
      (command) =>
        withFlags(command.usage(usage('version [flags]')), {
          output: { ...value('Output: text, json or yaml', 'text'), alias: 'o' },
        }),
      use(readVersionRequest),
    )
    .command(
      'completion [shell]',
      'Print a completion script for bash, zsh or fish',
      (command) =>
        withFlags(
          command
            .usage(usage('completion SHELL'))
            .positional('shell', { type: 'string', describe: 'bash, zsh or fish' }),
          {},
        ),
      use(readCompletionRequest),
    )
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
  // yargs would take the next word for the value of a flag whose value may be left out.
  const words = args.map((arg) => (arg === '--connect' ? '--connect=transport' : arg));
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

function value(describe: string, shown?: string): Options {
  return { type: 'string', requiresArg: true, describe, ...(shown === undefined ? {} : { defaultDescription: shown }) };
}

function bool(describe: string): Options {
  return { type: 'boolean', describe };
}

function service(command: Argv): Argv {
  return command.positional('service', { type: 'string', describe: 'Name of the Service' });
}

/** A command's own flags come first in its help. */
function withFlags(command: Argv, own: Readonly<Record<string, Options>>): Argv {
  const first = { ...own, ...otherFlags };
  return command
    .options(first)
    .group([...Object.keys(first), 'help'], 'Flags:')
    .options(globalFlags)
    .group(Object.keys(globalFlags), 'Flags of kubectl:');
}

const connectFlag = value(
  'Really connect from each node to the addresses and endpoints of the Service: --connect, or --connect=http for a GET; with --from POD also from within that pod, by a program of its own and with your right to exec; it leaves conntrack entries',
);

const traceFlags: Readonly<Record<string, Options>> = {
  output: {
    ...value(
      'Output: table, wide, json, yaml, name, mermaid, dot or svg; without it, a live view on a terminal and a table elsewhere',
    ),
    alias: 'o',
  },
  view: value(
    'The view that the TUI begins with: path, nodes, rules, conntrack, findings, timeline, walk or logs',
    'path',
  ),
  watch: {
    ...bool('Go on where there is no live view: a line for each change; with -o json, yaml or name, each result'),
    alias: 'w',
  },
  node: value('Ask this node only (repeat it, or separate names with commas)'),
  from: value('Walk the packet of this client, a pod of the namespace or an IP address, through the rules'),
  conntrack: value('What to read of the conntrack table: none, summary or entries', 'summary'),
  connect: connectFlag,
  'fail-on': value('The severity of a finding that makes the exit status 1: error or warning', 'error'),
  timeout: value('How long to wait for one result; 0 for no limit', '60s'),
  'all-namespaces': { ...bool('Find the Service in whichever namespace it is'), alias: 'A' },
  standalone: bool('Without the operator: collect in this process, with your own rights'),
  'probe-namespace': value('With --standalone: the namespace of the probe pods', 'kube-system'),
  'probe-image': value('With --standalone: the image of the probe pods'),
  keep: bool('Leave the ServiceTrace in the cluster'),
  trace: value('Show this ServiceTrace, which is there already'),
  bundle: value('Show a trace that was recorded to this file; needs no cluster'),
};

const dnsFlags: Readonly<Record<string, Options>> = {
  output: { ...value('Output: table, json or yaml', 'table'), alias: 'o' },
  from: value("Show this pod's resolv.conf, and the names that it asks for"),
  exec: bool(
    "With --from: read /etc/resolv.conf in the pod (it runs cat there), and compare it with what the pod's spec makes",
  ),
  node: value('Ask from this node only (repeat it, or separate names with commas)'),
  timeout: value('How long to wait for the nodes; 0 for no limit', '60s'),
  'probe-namespace': value('The namespace of the probe pods', 'kube-system'),
  'probe-image': value('The image of the probe pods'),
  bundle: value('A trace that was recorded to this file; needs no cluster'),
};

const logsFlags: Readonly<Record<string, Options>> = {
  follow: { ...bool('Go on with what is written, and with new pods'), alias: 'f' },
  previous: { ...bool("Of the containers' runs before these"), alias: 'p' },
  container: { ...value('Of this container only'), alias: 'c' },
  selector: { ...value("Of those of the Service's pods only that have these labels"), alias: 'l' },
  since: value('Lines younger than this, such as 10m'),
  tail: value('The last lines of each log; -1 for all', '100; all with --since'),
  raw: bool(
    'Pass control characters of the lines to the terminal, which obeys them; otherwise they are shown as \\x1b',
  ),
  'kube-proxy': bool("The logs of the nodes' kube-proxies; > marks the lines that concern the Service"),
  node: value('Of pods on this node only (repeat it, or separate names with commas)'),
};

const captureFlags: Readonly<Record<string, Options>> = {
  to: value('The file to write (pcapng)'),
  overwrite: bool('Replace the file where it is there already'),
  node: value('On this node only (repeat it, or separate names with commas)'),
  duration: value('How long, at most 10m', '30s'),
  'max-bytes': value('Of packets on all nodes together, at most 1024M', '16M'),
  snaplen: value('Of each packet so many bytes; what is sent may be private', '256'),
  'probe-namespace': value('The namespace of the probe pods', 'kube-system'),
  'probe-image': value('The image of the probe pods'),
};

const recordFlags: Readonly<Record<string, Options>> = {
  to: value('The file to write'),
  node: value('Ask this node only (repeat it, or separate names with commas)'),
  timeout: value('How long to wait for the nodes; 0 for no limit', '60s'),
  'probe-namespace': value('The namespace of the probe pods', 'kube-system'),
  'probe-image': value('The image of the probe pods'),
};

/** Of commands that read a Service once, or a recorded trace of it. */
const sourceFlags: Readonly<Record<string, Options>> = {
  bundle: value('A trace that was recorded to this file; needs no cluster'),
  timeout: value('How long to wait for the nodes; 0 for no limit', '60s'),
  'probe-namespace': value('The namespace of the probe pods', 'kube-system'),
  'probe-image': value('The image of the probe pods'),
};

const explainFlags: Readonly<Record<string, Options>> = {
  from: value('Walk the packet of this client, a pod of the namespace or an IP address, from DNS to the pod and back'),
  to: value('Explain this port, or IP:PORT, of the Service alone'),
  node: value('On this node (repeat it, or separate names with commas)', 'one of each different program'),
  connect: connectFlag,
  output: { ...value('Output: text, json or yaml', 'text'), alias: 'o' },
  ...sourceFlags,
};

const diagramFlags: Readonly<Record<string, Options>> = {
  output: { ...value('Output: text (in the terminal), mermaid, dot or svg', 'text'), alias: 'o' },
  node: value('The rules of this node only (repeat it, or separate names with commas)', 'each different program'),
  'fail-on': value('The severity of a finding that makes the exit status 1: error or warning', 'error'),
  ...sourceFlags,
};

const reportFlags: Readonly<Record<string, Options>> = {
  to: value('The file to write (HTML)'),
  overwrite: bool('Replace the file where it is there already'),
  from: value(
    'Add the whole way of this client, a pod of the namespace or an IP address, from DNS to the pod and back',
  ),
  connect: connectFlag,
  node: value('Of this node only (repeat it, or separate names with commas)'),
  conntrack: value('What to read of the conntrack table: none, summary or entries', 'summary; entries with --from'),
  'fail-on': value('The severity of a finding that makes the exit status 1: error or warning', 'error'),
  ...sourceFlags,
};

const simulateFlags: Readonly<Record<string, Options>> = {
  from: value(
    'Where the packet comes from: IP, IP:PORT where the source port matters, or, with a SERVICE or --bundle, a pod of its namespace',
  ),
  to: value('Where it is sent: IP:PORT or IP:PORT/PROTOCOL, with tcp, udp or sctp', 'tcp'),
  ruleset: value(
    'What iptables-save, ip6tables-save, nft -j list ruleset, nft list ruleset, ipset save or ipvsadm -Sn printed; repeat it for several of one machine, - is standard input',
  ),
  bundle: value('A trace that was recorded to this file; needs no cluster'),
  'node-ip': value(
    "With --ruleset: an address of the node (repeat it): a packet from one enters at OUTPUT, one to it is the node's own",
  ),
  'in-interface': value('The interface by which the packet comes to the node, where rules ask for it'),
  'out-interface': value('The interface by which it leaves the node'),
  node: value('With a SERVICE or --bundle: on this node only (repeat it, or separate names with commas)'),
  timeout: value('With a SERVICE: how long to wait for the nodes; 0 for no limit', '60s'),
  'probe-namespace': value('With a SERVICE: the namespace of the probe pods', 'kube-system'),
  'probe-image': value('With a SERVICE: the image of the probe pods'),
  output: { ...value('Output: text, json or yaml', 'text'), alias: 'o' },
};

const installFlags: Readonly<Record<string, Options>> = {
  'dry-run': bool('Print the manifests, and change nothing'),
  timeout: value('How long to wait until the operator is available', '120s'),
};

const uninstallFlags: Readonly<Record<string, Options>> = {
  yes: { ...bool('Do not ask'), alias: 'y' },
  'dry-run': bool('Print what would be removed, and change nothing'),
  timeout: value('How long to wait until all is gone', '120s'),
};

const otherFlags: Readonly<Record<string, Options>> = {
  color: value('auto, always or never; NO_COLOR is honoured', 'auto'),
};

const globalFlags: Record<string, Options> = {
  namespace: { ...value('Namespace of the Service'), alias: 'n' },
  context: value('Context of the kubeconfig'),
  kubeconfig: value('Path of the kubeconfig'),
  cluster: value('Cluster of the kubeconfig'),
  user: value('User of the kubeconfig'),
  server: { ...value('Address of the API server'), alias: 's' },
  token: value('Bearer token for the API server'),
  as: value('User to impersonate'),
  'as-group': value('Group to impersonate (repeat it)'),
  'as-uid': value('UID to impersonate'),
  'certificate-authority': value("File with the API server's certificate authority"),
  'client-certificate': value('File with a client certificate'),
  'client-key': value('File with the key of the client certificate'),
  'tls-server-name': value("Name in the API server's certificate"),
  'insecure-skip-tls-verify': bool("Do not check the API server's certificate"),
  'request-timeout': value('How long one request may take; 0 for no limit of your own', '0'),
  v: value('Verbosity; 6 tells each request on stderr'),
};
