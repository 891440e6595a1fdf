/**
 * The one table of commands and their flags. Help (command-line.ts), the checks of values (options.ts, by the same lists of
 * request.ts) and of what goes together (combinations.ts), their types and completion derive from it.
 */
import {
  colorModes,
  connectModes,
  conntrackModes,
  diagramFormats,
  outputFormats,
  pictureFormats,
  rolloutFormats,
  severities,
  shells,
  tableFormats,
  textFormats,
  viewNames,
} from './request.ts';

/** What completion asks the cluster for, or the catalogue of findings. */
export type Listed = 'services' | 'namespaces' | 'nodes' | 'pods' | 'traces' | 'findings';

/** What a flag cannot be given together with. */
export interface Conflict {
  /** Names of other flags of the command, or of its word. */
  readonly with: readonly string[];
  /** The end of the sentence that refuses it, without a full stop. */
  readonly why: string;
  /** Each excludes the other; else this flag has no meaning beside the others. */
  readonly isMutual?: true;
  /** Of the values of this flag, those that are meant; absent: all. */
  readonly values?: readonly string[];
  /** Allowed all the same where this other flag is given, and this one has one value. */
  readonly unless?: { readonly withFlag: string };
}

export interface Flag {
  /** As help shows it, but for what it needs and does not go with (helpOf). */
  readonly describe: string;
  /** It takes no value. */
  readonly isSwitch: boolean;
  readonly alias?: string;
  /** What holds without it, as help shows that. */
  readonly shown?: string;
  /** The values that it may have; absent: any. */
  readonly values?: readonly string[];
  /** What a value names. */
  readonly names?: Listed | 'file';
  /** The value where none is joined to it (`--connect` for `--connect=transport`). */
  readonly implied?: string;
  readonly conflicts?: readonly Conflict[];
  /** Another flag, or the command's word, without which it has no meaning. */
  readonly needs?: { readonly flag: string; readonly why: string };
}

export type Flags = Readonly<Record<string, Flag>>;

export interface Command {
  /** Behind `kubectl svctrace`. */
  readonly usage: string;
  readonly describe: string;
  /** Its one word; absent where it has none. */
  readonly word?: {
    readonly name: string;
    readonly describe: string;
    readonly values?: readonly string[];
    readonly names?: Listed;
  };
  readonly flags: Flags;
  /** Command lines as they are typed, each with what it does. */
  readonly examples?: readonly (readonly [line: string, does: string])[];
  /** At the end of its help: what the exit status means, where it is not what it means elsewhere. */
  readonly exitStatus?: string;
  /** It takes a command of the user's behind `--`. */
  readonly takesCommand?: true;
}

type Relations = Pick<Flag, 'conflicts' | 'needs'>;
type More = Partial<Pick<Flag, 'alias' | 'shown' | 'names' | 'implied'>> & Relations;

function value(describe: string, more: More = {}): Flag {
  return { describe, isSwitch: false, ...more };
}

function bool(describe: string, more: Pick<Flag, 'alias'> & Relations = {}): Flag {
  return { describe, isSwitch: true, ...more };
}

/** @param rest behind the values */
function choice(what: string, values: readonly string[], more: More = {}, rest = ''): Flag {
  return { describe: `${what === '' ? '' : `${what}: `}${list(values)}${rest}`, isSwitch: false, values, ...more };
}

/** `a, b or c`. */
function list(words: readonly string[]): string {
  const [last = '', ...before] = [...words].reverse();
  return before.length === 0 ? last : `${before.reverse().join(', ')} or ${last}`;
}

function file(describe: string, relations: Relations = {}): Flag {
  return value(describe, { names: 'file', ...relations });
}

function nodes(describe: string, more: Pick<Flag, 'shown'> & Relations = {}): Flag {
  return value(`${describe} (repeat it, or separate names with commas)`, { names: 'nodes', ...more });
}

const isCollected = 'it has been collected already';
/** Of a command that reads a bundle as it is. */
const notOfBundle: Relations = { conflicts: [{ with: ['bundle'], why: isCollected }] };

const output = { alias: 'o' } as const;
const textOutput = choice('Output', textFormats, { ...output, shown: 'text' });
const tableOutput = choice('Output', tableFormats, { ...output, shown: 'table' });
const failOn = choice('The severity of a finding that makes the exit status 1', severities, { shown: 'error' });
const bundle = file('A trace that was recorded to this file; needs no cluster');
const overwrite = bool('Replace the file where it is there already');

const connect: Flag = {
  describe:
    'Connect from each node to the addresses and endpoints of the Service: --connect, or --connect=http for a GET; with --from POD also from within that pod, by a program of its own and with your right to exec; it leaves conntrack entries',
  isSwitch: false,
  values: connectModes,
  implied: 'transport',
};
const connectsNow = ['transport', 'http'] as const satisfies readonly (typeof connectModes)[number][];
/** Of a command that reads a Service once, or a recorded trace of it. */
const connectOnce: Flag = {
  ...connect,
  conflicts: [{ with: ['bundle'], values: connectsNow, why: 'what was connected to when it was recorded is shown' }],
};

function probes(relations: Relations = {}): Flags {
  return {
    'probe-namespace': value('The namespace of the probe pods', {
      shown: 'kube-system',
      names: 'namespaces',
      ...relations,
    }),
    'probe-image': value('The image of the probe pods', relations),
  };
}

function waiting(relations: Relations = {}): Flag {
  return value('How long to wait for the nodes; 0 for no limit', { shown: '60s', ...relations });
}

/** Of commands that read a Service once, or a recorded trace of it. */
const source: Flags = { bundle, timeout: waiting(notOfBundle), ...probes(notOfBundle) };
/** Of simulate, whose rules may come from elsewhere. */
const ofServiceNow: Relations = {
  ...notOfBundle,
  needs: { flag: 'service', why: 'its nodes alone are asked' },
};

const ofStandalone: Relations = { needs: { flag: 'standalone', why: 'the operator has its own' } };
const standalone = bool('Without the operator: collect in this process, with your own rights');

const eachIsOrigin = 'each says where the trace comes from';
/** Of what a trace that is there already, or was recorded, was collected with. */
const ofOwnTrace: Conflict = { with: ['trace', 'bundle'], why: isCollected };

const notOfKubeProxy: Relations = {
  conflicts: [{ with: ['kube-proxy'], why: "kube-proxy's pods have one container, and are chosen with --node" }],
};

const service = { name: 'service', describe: 'Name of the Service', names: 'services' } as const;

/** The commands in the order in which they are listed; `trace` is the one that a bare SERVICE means. */
export const commands = {
  trace: {
    usage: 'trace SERVICE [flags]',
    describe: 'Show a Service on every node (what a bare SERVICE means)',
    word: service,
    flags: {
      output: choice(
        'Output',
        outputFormats,
        {
          ...output,
          conflicts: [
            {
              with: ['watch'],
              isMutual: true,
              values: pictureFormats,
              why: `a picture is drawn once; use ${list(outputFormats.filter((format) => !pictureFormats.some((each) => each === format)))}`,
            },
          ],
        },
        '; without it, a live view on a terminal and a table elsewhere',
      ),
      view: choice('The view that the TUI begins with', viewNames, {
        shown: 'path',
        conflicts: [{ with: ['output'], isMutual: true, why: 'a view is of the TUI' }],
      }),
      watch: bool(
        'Stream changes instead of exiting: a line for each change; with -o json, yaml or name, each result',
        {
          alias: 'w',
          conflicts: [
            { with: ['bundle'], isMutual: true, why: 'a recorded trace does not change' },
            { with: ['keep'], isMutual: true, why: 'a watching trace is deleted when the watching ends' },
          ],
        },
      ),
      node: nodes('Ask this node only', {
        // A view may begin on a node of what was collected.
        conflicts: [{ ...ofOwnTrace, unless: { withFlag: 'view' } }],
      }),
      from: value('Walk the packet of this client, a pod of the namespace or an IP address, through the rules', {
        names: 'pods',
        conflicts: [ofOwnTrace],
      }),
      conntrack: choice('What to read of the conntrack table', conntrackModes, {
        shown: 'summary',
        conflicts: [ofOwnTrace],
      }),
      connect: {
        ...connect,
        conflicts: [
          ofOwnTrace,
          {
            with: ['watch'],
            isMutual: true,
            values: connectsNow,
            why: 'the connections would be made again at every look',
          },
        ],
      },
      'fail-on': failOn,
      timeout: value('How long to wait for one result; 0 for no limit', { shown: '60s' }),
      'all-namespaces': bool('Find the Service in whichever namespace it is', {
        alias: 'A',
        conflicts: [
          { with: ['namespace'], isMutual: true, why: 'all namespaces are looked in, or one' },
          { with: ['trace', 'bundle'], why: 'that says which Service is meant' },
        ],
      }),
      standalone,
      ...probes(ofStandalone),
      keep: bool('Leave the ServiceTrace in the cluster', {
        conflicts: [{ with: ['trace', 'bundle', 'standalone'], why: 'no ServiceTrace is created that could be kept' }],
      }),
      trace: value('Show this ServiceTrace, which is there already', {
        names: 'traces',
        conflicts: [{ with: ['bundle', 'standalone'], isMutual: true, why: eachIsOrigin }],
      }),
      bundle: file('Show a trace that was recorded to this file; needs no cluster', {
        conflicts: [{ with: ['standalone'], isMutual: true, why: eachIsOrigin }],
      }),
    },
  },
  explain: {
    usage: 'explain SERVICE [--from POD|IP] [--to PORT|IP:PORT] [flags]',
    describe: 'Explain every rule that its packets meet, line by line; with --from, the packet path of one client',
    word: service,
    flags: {
      from: value(
        'Walk the packet of this client, a pod of the namespace or an IP address, from DNS to the pod and back',
        {
          names: 'pods',
        },
      ),
      to: value('Explain this port, or IP:PORT, of the Service alone'),
      node: nodes('On this node', { shown: 'one of each different program' }),
      all: bool(
        'Every rule; without it, of many endpoints with alike rules one is written out, and a table has the others',
        {
          conflicts: [{ with: ['from'], why: "one client's packet path has every rule" }],
        },
      ),
      changes: bool(
        'The last change of its EndpointSlices: when each node had it, what it changed in the rules, what conntrack keeps',
        {
          conflicts: [
            { with: ['from', 'to', 'node', 'all', 'connect'], why: 'a change is shown whole, and on all nodes' },
            { with: ['bundle'], why: 'a recorded trace is of one moment' },
            { with: ['probe-namespace', 'probe-image'], why: 'the operator follows the changes' },
          ],
        },
      ),
      connect: connectOnce,
      output: textOutput,
      ...source,
    },
  },
  diagram: {
    usage: 'diagram SERVICE [flags]',
    describe: 'Draw its packet path: DNS, addresses, rules, EndpointSlices and pods',
    word: service,
    flags: {
      output: choice('Output', diagramFormats, { ...output, shown: 'text' }),
      node: nodes('The rules of this node only', { shown: 'each different program' }),
      'fail-on': failOn,
      ...source,
    },
  },
  report: {
    usage: 'report SERVICE --to FILE.html [--from POD|IP] [flags]',
    describe: 'Write all of it to one page for a browser, to be read offline or printed',
    word: service,
    flags: {
      to: file('The file to write (HTML)'),
      overwrite,
      from: value(
        'Add the packet path of this client, a pod of the namespace or an IP address, from DNS to the pod and back',
        { names: 'pods' },
      ),
      connect: connectOnce,
      node: nodes('Of this node only'),
      conntrack: choice('What to read of the conntrack table', conntrackModes, {
        shown: 'summary; entries with --from',
        ...notOfBundle,
      }),
      'fail-on': failOn,
      ...source,
    },
  },
  dns: {
    usage: 'dns SERVICE [flags]',
    describe: "Ask the cluster's DNS for the Service's names, and compare the answers",
    word: service,
    flags: {
      output: tableOutput,
      from: value("Show this pod's resolv.conf, and the names that it asks for", { names: 'pods', ...notOfBundle }),
      exec: bool(
        "Read /etc/resolv.conf in the pod (it runs cat there), and compare it with what the pod's spec makes",
        { needs: { flag: 'from', why: 'it reads /etc/resolv.conf in that pod' } },
      ),
      node: nodes('Ask from this node only', notOfBundle),
      timeout: waiting(notOfBundle),
      ...probes(notOfBundle),
      bundle,
    },
  },
  logs: {
    usage: 'logs SERVICE [flags]',
    describe: "Show the logs of all pods behind a Service, or of kube-proxy with the Service's lines marked",
    word: service,
    flags: {
      follow: bool('Go on with what is written, and with new pods', {
        alias: 'f',
        conflicts: [{ with: ['previous'], isMutual: true, why: 'a run that has ended writes no more' }],
      }),
      previous: bool("Of the containers' runs before these", { alias: 'p' }),
      container: value('Of this container only', { alias: 'c', ...notOfKubeProxy }),
      selector: value("Of those of the Service's pods only that have these labels", { alias: 'l', ...notOfKubeProxy }),
      since: value('Lines younger than this, such as 10m'),
      tail: value('The last lines of each log; -1 for all', { shown: '100; all with --since' }),
      raw: bool(
        'Pass control characters of the lines to the terminal, which obeys them; otherwise they are shown as \\x1b',
      ),
      'kube-proxy': bool("The logs of the nodes' kube-proxies; > marks the lines that concern the Service"),
      node: nodes('Of pods on this node only'),
    },
  },
  rollout: {
    usage: 'rollout SERVICE [flags] [-- COMMAND]',
    describe:
      'Run a command, follow the Service until every node has its changes, and say which connections were at risk',
    word: service,
    takesCommand: true,
    exitStatus:
      'Exit status: 0 none at risk; 1 some at risk; 2 usage, or the command cannot be started;\n3 cluster not reachable or forbidden; 4 Service not found; 5 partial: something is not known, or the command failed',
    examples: [
      ['rollout auth-service -- kubectl rollout restart deploy/auth', 'Restart a Deployment, and say what that risked'],
      [
        'rollout auth-service -o junit -- helm upgrade auth ./chart > rollout.xml',
        'In CI: a JUnit report, and the exit status',
      ],
      ['rollout auth-service -o json -- kubectl apply -f auth.yaml', 'Each endpoint, node and time as JSON'],
      ['rollout auth-service', 'Follow a rollout that runs already, until no more changes come'],
    ],
    flags: {
      output: choice('Output', rolloutFormats, { ...output, shown: 'table' }),
      node: nodes('Ask this node only: no other node is judged'),
      settle: value('It is over when no change has come for so long, and every node has all', { shown: '10s' }),
      timeout: value('How long to follow after the command has ended; 0 for no limit', { shown: '10m' }),
      standalone,
      ...probes(ofStandalone),
    },
  },
  capture: {
    usage: 'capture SERVICE --to FILE.pcapng [flags]',
    describe: "Write a Service's packets, before and after DNAT, to a file for Wireshark",
    word: service,
    flags: {
      to: file('The file to write (pcapng)'),
      overwrite,
      node: nodes('On this node only'),
      duration: value('How long, at most 10m', { shown: '30s' }),
      'max-bytes': value('Of packets on all nodes together, at most 1024M', { shown: '16M' }),
      snaplen: value('Of each packet so many bytes; what is sent may be private', { shown: '256' }),
      ...probes(),
    },
  },
  record: {
    usage: 'record SERVICE --to FILE [flags]',
    describe: 'Write a trace to a file, to be shown with --bundle FILE',
    word: service,
    flags: {
      to: file('The file to write'),
      node: nodes('Ask this node only'),
      timeout: waiting(),
      ...probes(),
    },
  },
  simulate: {
    usage: 'simulate --from IP|POD --to IP:PORT[/tcp|udp|sctp] (SERVICE | --ruleset FILE | --bundle FILE) [flags]',
    describe: "Say what rules do with one packet: a Service's, recorded or dumped ones",
    word: service,
    flags: {
      from: value(
        'Where the packet comes from: IP, IP:PORT where the source port matters, or, with a SERVICE or --bundle, a pod of its namespace',
        { names: 'pods' },
      ),
      to: value('Where it is sent: IP:PORT or IP:PORT/PROTOCOL, with tcp, udp or sctp', { shown: 'tcp' }),
      ruleset: file(
        'What iptables-save, ip6tables-save, nft -j list ruleset, nft list ruleset, ipset save or ipvsadm -Sn printed, or a JSON object of maps of Cilium or Calico by name, each as bpftool -j map dump prints it; repeat it for several of one machine, - is standard input',
        { conflicts: [{ with: ['service', 'bundle'], isMutual: true, why: 'each says whose rules are meant' }] },
      ),
      services: file(
        'What kubectl get services,endpointslices -A -o json printed, for the names of Services and pods',
        {
          needs: { flag: 'ruleset', why: 'a trace knows its names' },
        },
      ),
      bundle,
      'node-ip': value(
        "An address of the node (repeat it): a packet from one enters at OUTPUT, one to it is the node's own",
        { needs: { flag: 'ruleset', why: "a trace knows its nodes' addresses" } },
      ),
      'in-interface': value('The interface by which the packet comes to the node, where rules ask for it'),
      'out-interface': value('The interface by which it leaves the node'),
      node: nodes('On this node only', { conflicts: [{ with: ['ruleset'], why: 'dumps are of one machine' }] }),
      timeout: waiting(ofServiceNow),
      ...probes(ofServiceNow),
      output: textOutput,
    },
  },
  findings: {
    usage: 'findings [ID] [flags]',
    describe: 'List every finding there is with its meaning, or explain one',
    word: { name: 'id', describe: 'Such as RULE-EP-STALE', names: 'findings' },
    flags: { output: tableOutput },
  },
  install: {
    usage: 'install [flags]',
    describe: 'Install the CRD and the operator',
    flags: {
      'dry-run': bool('Print the manifests, and change nothing'),
      timeout: value('How long to wait until the operator is available', { shown: '120s' }),
    },
  },
  uninstall: {
    usage: 'uninstall [flags]',
    describe: 'Remove the operator, the CRD and all ServiceTraces',
    flags: {
      yes: bool('Do not ask', { alias: 'y' }),
      'dry-run': bool('Print what would be removed, and change nothing'),
      timeout: value('How long to wait until all is gone', { shown: '120s' }),
    },
  },
  status: {
    usage: 'status [flags]',
    describe: 'Show whether the operator runs, and what you may do',
    flags: { output: tableOutput },
  },
  version: {
    usage: 'version [flags]',
    describe: 'Show the version of the plugin',
    flags: { output: textOutput },
  },
  completion: {
    usage: 'completion SHELL',
    describe: 'Print a completion script for bash, zsh or fish',
    word: { name: 'shell', describe: 'bash, zsh or fish', values: shells },
    flags: {},
  },
} as const satisfies Readonly<Record<string, Command>>;

export type CommandName = keyof typeof commands;

/** The commands that are listed. */
export const commandNames = Object.keys(commands) as readonly CommandName[];

/** Of every command, beside its own. */
export const otherFlags: Flags = {
  color: choice('', colorModes, { shown: 'auto' }, '; NO_COLOR is honoured'),
};

const withUser: Relations = {
  needs: { flag: 'as', why: 'the API server impersonates a group or a UID with a user alone' },
};

/** kubectl's own. */
export const globalFlags: Flags = {
  namespace: value('Namespace of the Service', { alias: 'n', names: 'namespaces' }),
  context: value('Context of the kubeconfig'),
  kubeconfig: file('Path of the kubeconfig'),
  cluster: value('Cluster of the kubeconfig'),
  user: value('User of the kubeconfig'),
  server: value('Address of the API server', { alias: 's' }),
  token: value('Bearer token for the API server'),
  as: value('User to impersonate'),
  'as-group': value('Group to impersonate (repeat it)', withUser),
  'as-uid': value('UID to impersonate', withUser),
  'certificate-authority': file("File with the API server's certificate authority"),
  'client-certificate': file('File with a client certificate'),
  'client-key': file('File with the key of the client certificate'),
  'tls-server-name': value("Name in the API server's certificate"),
  'insecure-skip-tls-verify': bool("Do not check the API server's certificate"),
  'request-timeout': value('How long one request may take; 0 for no limit of your own', { shown: '0' }),
  v: value('Verbosity; 6 logs each request on stderr'),
};

/** All flags of a command, its own first. */
export function flagsOf(command: CommandName): Flags {
  return { ...commands[command].flags, ...otherFlags, ...globalFlags };
}

/** As it is typed: `--output`, `-v`. */
export function typedFlag(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

/** As messages name it: `--watch`, by its letter where that is what people type (`-o`), and a command's word as `a SERVICE`. */
export function shownName(command: CommandName, name: string): string {
  const { word }: Command = commands[command];
  return word?.name === name ? `a ${name.toUpperCase()}` : shownFlag(name);
}

export function shownFlag(name: string): string {
  return knownByLetter[name] ?? typedFlag(name);
}

const knownByLetter: Readonly<Record<string, string>> = { output: '-o', namespace: '-n', 'all-namespaces': '-A' };

/** The line of help: what the flag does, with what it needs before it, and what it does not go with behind it. */
export function helpOf(command: CommandName, { describe, needs, conflicts = [] }: Flag): string {
  const shown = (names: readonly string[]): string => list(names.map((name) => shownName(command, name)));
  const always = conflicts.filter(({ values }) => values === undefined);
  const ofValues = conflicts.filter(({ values }) => values !== undefined);
  return [
    needs === undefined
      ? describe
      : `With ${shown([needs.flag])}: ${describe.charAt(0).toLowerCase()}${describe.slice(1)}`,
    ...(always.length === 0 ? [] : [`not with ${shown(always.flatMap((conflict) => conflict.with))}`]),
    ...ofValues.map((conflict) => `${list(conflict.values ?? [])} not with ${shown(conflict.with)}`),
  ].join('; ');
}
