/** What the user asked for, complete and valid: the result of reading the command line (options.ts). */
import type { Protocol } from '../../core/net/family.ts';
import type { FailOn } from './exit-status.ts';

/** Languages that other programs draw. */
export const pictureFormats = ['mermaid', 'dot', 'svg'] as const;
export type PictureFormat = (typeof pictureFormats)[number];

export const outputFormats = ['table', 'wide', 'json', 'yaml', 'name', ...pictureFormats] as const;
export type OutputFormat = (typeof outputFormats)[number];
/** Of what is printed in sentences, and of what is printed in rows. */
export const textFormats = ['text', 'json', 'yaml'] as const;
export const tableFormats = ['table', 'json', 'yaml'] as const;
export const rolloutFormats = ['table', 'wide', 'json', 'yaml', 'junit'] as const;
export const diagramFormats = ['text', ...pictureFormats] as const;

/** As they are typed; the words of a trace's spec are options.ts's. */
export const conntrackModes = ['none', 'summary', 'entries'] as const;
export const connectModes = ['none', 'transport', 'http'] as const;
export const severities = ['error', 'warning'] as const satisfies readonly FailOn[];
export const shells = ['bash', 'zsh', 'fish'] as const;
/** What a trace is printed as, again and again where it is watched. */
export type TextFormat = Exclude<OutputFormat, PictureFormat>;

/** The views of the TUI. */
export const viewNames = ['path', 'nodes', 'rules', 'conntrack', 'findings', 'timeline', 'walk', 'logs'] as const;
export type ViewName = (typeof viewNames)[number];

export const colorModes = ['auto', 'always', 'never'] as const;
export type ColorMode = (typeof colorModes)[number];

/** kubectl's own flags (cli-runtime, ConfigFlags). */
export interface ClusterFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
  readonly server?: string;
  readonly token?: string;
  readonly as?: string;
  readonly asGroups: readonly string[];
  readonly asUid?: string;
  readonly certificateAuthority?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify: boolean;
  /** 0: no limit of the user's own. */
  readonly requestTimeoutMilliseconds: number;
  /** kubectl's -v: from 6 on, each request is logged on stderr. */
  readonly verbosity: number;
}

export interface CommonRequest {
  readonly flags: ClusterFlags;
  readonly color: ColorMode;
}

/** Whose packets are followed: an IP address, or a pod of the Service's namespace. */
export type ClientName = { readonly ip: string } | { readonly pod: string };

/** Where the trace comes from. */
export type TraceOrigin =
  | { readonly kind: 'operator'; readonly keep: boolean }
  | { readonly kind: 'standalone'; readonly probeNamespace: string; readonly probeImage: string }
  | { readonly kind: 'existing'; readonly trace: string }
  | { readonly kind: 'bundle'; readonly file: string };

export interface TraceRequest extends CommonRequest {
  readonly command: 'trace';
  /** Absent where `origin` says it, or the user is to choose it on the terminal. */
  readonly service?: string;
  readonly allNamespaces: boolean;
  readonly origin: TraceOrigin;
  readonly nodes: readonly string[];
  readonly from?: ClientName;
  readonly conntrack: 'None' | 'Summary' | 'Entries';
  /** The active check. */
  readonly connect: 'None' | 'Transport' | 'HTTP';
  readonly watch: boolean;
  /** How long one result is waited for; 0 for ever. */
  readonly timeoutMilliseconds: number;
  /** Absent where the user did not say -o: a TUI on a terminal, else a table. */
  readonly output?: OutputFormat;
  /** The view that a TUI begins with; absent for the path. */
  readonly view?: ViewName;
  readonly failOn: FailOn;
}

export interface RecordRequest extends CommonRequest {
  readonly command: 'record';
  readonly service: string;
  readonly file: string;
  readonly nodes: readonly string[];
  readonly probeNamespace: string;
  readonly probeImage: string;
  readonly timeoutMilliseconds: number;
}

export interface InstallRequest extends CommonRequest {
  readonly command: 'install';
  readonly dryRun: boolean;
  readonly timeoutMilliseconds: number;
}

export interface UninstallRequest extends CommonRequest {
  readonly command: 'uninstall';
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly timeoutMilliseconds: number;
}

export interface StatusRequest extends CommonRequest {
  readonly command: 'status';
  readonly output: (typeof tableFormats)[number];
}

/** Whose rules the packet is sent through. */
export type SimulateOrigin =
  /** Dumps of one machine; - is standard input. */
  | {
      readonly kind: 'ruleset';
      readonly files: readonly string[];
      /** What kubectl printed of Services and EndpointSlices, for their names. */
      readonly services?: string;
    }
  | { readonly kind: 'bundle'; readonly file: string; readonly service?: string }
  /** The nodes as they are now. */
  | {
      readonly kind: 'service';
      readonly service: string;
      readonly probeNamespace: string;
      readonly probeImage: string;
      readonly timeoutMilliseconds: number;
    };

export interface SimulateRequest extends CommonRequest {
  readonly command: 'simulate';
  readonly origin: SimulateOrigin;
  /** An address, or a pod of the Service's namespace, which a trace knows. */
  readonly from: { readonly address: string; readonly port?: number } | { readonly pod: string };
  readonly to: { readonly address: string; readonly port: number; readonly protocol: Protocol };
  /** Of dumps: the node's own addresses. A packet from one of them enters at OUTPUT. */
  readonly nodeIps: readonly string[];
  /** Of a trace: these nodes alone; empty for each on which the packet may enter. */
  readonly nodes: readonly string[];
  /** Where the user knows them: rules may ask for them. */
  readonly interfaces: { readonly in?: string; readonly out?: string };
  readonly output: (typeof textFormats)[number];
}

/** Where a command that reads a Service once has it from. */
export type ServiceOrigin = Exclude<SimulateOrigin, { readonly kind: 'ruleset' }>;

/** The rules of a Service in words; with `from`, one client's packet path. */
export interface ExplainRequest extends CommonRequest {
  readonly command: 'explain';
  readonly origin: ServiceOrigin;
  /** Empty: one node of each different program. */
  readonly nodes: readonly string[];
  readonly from?: ClientName;
  /** Absent: all frontends. */
  readonly to?: { readonly address?: string; readonly port: number };
  readonly connect: TraceRequest['connect'];
  /** Every rule, where of many alike endpoints one is written out else. */
  readonly all: boolean;
  /** The last change of the EndpointSlices instead of the rules. */
  readonly changes: boolean;
  readonly output: (typeof textFormats)[number];
}

/** The picture of a Service. */
export interface DiagramRequest extends CommonRequest {
  readonly command: 'diagram';
  readonly origin: ServiceOrigin;
  /** Empty: all. */
  readonly nodes: readonly string[];
  readonly output: (typeof diagramFormats)[number];
  readonly failOn: FailOn;
}

/** All of it as one page for a browser. */
export interface ReportRequest extends CommonRequest {
  readonly command: 'report';
  readonly origin: ServiceOrigin;
  readonly file: string;
  /** Take the place of a file that is there. */
  readonly overwrite: boolean;
  /** Empty: all. */
  readonly nodes: readonly string[];
  /** The client whose packet path is a section of the page. */
  readonly from?: ClientName;
  readonly connect: TraceRequest['connect'];
  readonly conntrack: 'None' | 'Summary' | 'Entries';
  readonly failOn: FailOn;
}

/** Where the probes that a command starts itself run. */
export interface ProbeOrigin {
  readonly kind: 'cluster';
  readonly probeNamespace: string;
  readonly probeImage: string;
  readonly timeoutMilliseconds: number;
}

export interface DnsRequest extends CommonRequest {
  readonly command: 'dns';
  /** Absent where the bundle says it. */
  readonly service?: string;
  readonly origin: ProbeOrigin | { readonly kind: 'bundle'; readonly file: string };
  readonly nodes: readonly string[];
  /** The pod whose resolv.conf is looked at. */
  readonly from?: string;
  /** Read its resolv.conf in the pod, by exec. */
  readonly exec: boolean;
  readonly output: (typeof tableFormats)[number];
}

export interface LogsRequest extends CommonRequest {
  readonly command: 'logs';
  readonly service: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly container?: string;
  /** Of the Service's pods, those whose labels match this, too. */
  readonly selector?: string;
  readonly sinceSeconds?: number;
  /** The last lines of each log; absent for all. */
  readonly tail?: number;
  /** The logs of kube-proxy instead of the pods'. */
  readonly kubeProxy: boolean;
  /** Of pods on these nodes alone; empty for all. */
  readonly nodes: readonly string[];
  /** Lines go to the terminal as they are, with what it obeys. */
  readonly raw: boolean;
}

export interface CaptureRequest extends CommonRequest {
  readonly command: 'capture';
  readonly service: string;
  readonly file: string;
  readonly overwrite: boolean;
  /** Empty for all. */
  readonly nodes: readonly string[];
  readonly durationSeconds: number;
  /** Of packets, over all nodes. */
  readonly maxBytes: number;
  /** Of each packet so many bytes. */
  readonly snapLength: number;
  readonly probeNamespace: string;
  readonly probeImage: string;
}

/** A change of a Service's endpoints, followed until every node has it. */
export interface RolloutRequest extends CommonRequest {
  readonly command: 'rollout';
  readonly service: string;
  readonly origin: Extract<TraceOrigin, { readonly kind: 'operator' | 'standalone' }>;
  /** Empty: all. */
  readonly nodes: readonly string[];
  /** The command and its arguments; empty where a rollout is followed that runs already. */
  readonly run: readonly string[];
  /** How long it is followed after the command has ended; 0 for ever. */
  readonly timeoutMilliseconds: number;
  /** So long, no more change comes. */
  readonly settleMilliseconds: number;
  readonly output: (typeof rolloutFormats)[number];
}

/** The catalogue of findings, or one of its entries. */
export interface FindingsRequest extends CommonRequest {
  readonly command: 'findings';
  readonly id?: string;
  readonly output: (typeof tableFormats)[number];
}

export interface VersionRequest extends CommonRequest {
  readonly command: 'version';
  readonly output: (typeof textFormats)[number];
}

export interface CompletionRequest extends CommonRequest {
  readonly command: 'completion';
  readonly shell: (typeof shells)[number];
}

/** kubectl's __complete protocol: the last word is the one that is being typed. */
export interface CompleteRequest extends CommonRequest {
  readonly command: '__complete';
  readonly words: readonly string[];
}

export type Request =
  | TraceRequest
  | RecordRequest
  | InstallRequest
  | UninstallRequest
  | StatusRequest
  | SimulateRequest
  | ExplainRequest
  | DiagramRequest
  | ReportRequest
  | CaptureRequest
  | DnsRequest
  | LogsRequest
  | RolloutRequest
  | FindingsRequest
  | VersionRequest
  | CompletionRequest
  | CompleteRequest;
/** Whether the request says what is traced. */
export function namesTrace({ service, origin }: Pick<TraceRequest, 'service' | 'origin'>): boolean {
  return service !== undefined || origin.kind === 'existing' || origin.kind === 'bundle';
}
