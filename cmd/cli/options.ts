/** From argv's values to a request: complete, then validate. Each refusal names the flag and what is allowed. */
import { isIP } from 'node:net';
import { parseHostPort } from '../../core/net/address.ts';
import { UsageError } from './errors.ts';
import { shownFlag, type CommandName, commands, flagsOf, type Command } from './flags.ts';
import {
  type CaptureRequest,
  type ClusterFlags,
  type ColorMode,
  colorModes,
  type CommonRequest,
  type CompletionRequest,
  connectModes,
  conntrackModes,
  diagramFormats,
  type DiagramRequest,
  type DnsRequest,
  type ExplainRequest,
  type FindingsRequest,
  type InstallRequest,
  type LogsRequest,
  outputFormats,
  rolloutFormats,
  type RecordRequest,
  type ReportRequest,
  type RolloutRequest,
  type ServiceOrigin,
  severities,
  shells,
  type SimulateOrigin,
  type SimulateRequest,
  type StatusRequest,
  tableFormats,
  textFormats,
  type TraceOrigin,
  type TraceRequest,
  type UninstallRequest,
  type VersionRequest,
  viewNames,
} from './request.ts';
import { defaultProbeImage, defaultProbeNamespace } from './probe-defaults.ts';
import { goDuration } from '../../core/lib/go-duration.ts';

/** Said where nobody can be asked for the Service. */
export const whichService = 'Which Service? Write kubectl svctrace SERVICE; kubectl get services lists them.';

/** What yargs parsed: a flag that was repeated is an array. */
export type Values = Readonly<Record<string, unknown>>;

/** What of it was typed, by its name in the table of flags; a switch that is false is not given. */
export function givenOf(command: CommandName, values: Values): Map<string, string[]> {
  const { word }: Command = commands[command];
  const given = new Map<string, string[]>();
  for (const name of [...(word === undefined ? [] : [word.name]), ...Object.keys(flagsOf(command))]) {
    if (flagsOf(command)[name]?.isSwitch === true) {
      if (flag(values, name)) given.set(name, []);
    } else if (values[name] !== undefined) given.set(name, list(values, name));
  }
  return given;
}

export function readTraceRequest(values: Values): TraceRequest {
  const service = text(values, 'service');
  const origin = readOrigin(values);
  const output = optionalChoice(values, 'output', outputFormats);
  const view = optionalChoice(values, 'view', viewNames);
  if (
    service === undefined &&
    (origin.kind === 'operator' || origin.kind === 'standalone') &&
    (output !== undefined || flag(values, 'watch'))
  )
    throw new UsageError(whichService);
  if (service !== undefined) checkServiceName(service);
  const watch = flag(values, 'watch');
  const from = readFrom(text(values, 'from'));
  return {
    command: 'trace',
    ...readCommon(values),
    ...(service === undefined ? {} : { service }),
    allNamespaces: flag(values, 'all-namespaces'),
    origin,
    nodes: list(values, 'node'),
    ...(from === undefined ? {} : { from }),
    conntrack: conntrackSpecs[choice(values, 'conntrack', conntrackModes, 'summary')],
    connect: readConnect(values),
    watch,
    timeoutMilliseconds: duration(values, 'timeout', '60s'),
    ...(output === undefined ? {} : { output }),
    ...(view === undefined ? {} : { view }),
    failOn: choice(values, 'fail-on', severities, 'error'),
  };
}

function readConnect(values: Values): TraceRequest['connect'] {
  return connectSpecs[choice(values, 'connect', connectModes, 'none')];
}

const connectSpecs = { none: 'None', transport: 'Transport', http: 'HTTP' } as const;
const conntrackSpecs = { none: 'None', summary: 'Summary', entries: 'Entries' } as const;

/** The four origins exclude each other (flags.ts). */
function readOrigin(values: Values): TraceOrigin {
  const trace = text(values, 'trace');
  const bundle = text(values, 'bundle');
  if (trace !== undefined) return { kind: 'existing', trace };
  if (bundle !== undefined) return { kind: 'bundle', file: bundle };
  if (flag(values, 'standalone')) return { kind: 'standalone', ...readProbe(values) };
  return { kind: 'operator', keep: flag(values, 'keep') };
}

function readProbe(values: Values): { probeNamespace: string; probeImage: string } {
  return {
    probeNamespace: text(values, 'probe-namespace') ?? defaultProbeNamespace,
    probeImage: text(values, 'probe-image') ?? defaultProbeImage,
  };
}

function readFrom(from: string | undefined): TraceRequest['from'] {
  if (from === undefined) return undefined;
  if (isIP(from) !== 0) return { ip: from };
  const pod = podName(from);
  if (pod === undefined)
    throw new UsageError(`--from "${from}" is neither an IP address nor the name of a pod in the Service's namespace.`);
  return { pod };
}

/** `client-a`, `pod/client-a`; undefined for what no pod can be named. */
function podName(text_: string): string | undefined {
  const name = text_.replace(/^pods?\//, '');
  return /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name) ? name : undefined;
}

function checkServiceName(service: string): void {
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(service) && service.length <= 63) return;
  const [namespace, name] = service.split('/');
  if (namespace === 'service' || namespace === 'svc' || namespace === 'services') {
    throw new UsageError(`"${service}": write the name alone: kubectl svctrace ${name ?? ''}`);
  }
  if (name !== undefined)
    throw new UsageError(
      `"${service}" is not the name of a Service; the namespace is a flag: kubectl svctrace ${name} -n ${namespace ?? ''}`,
    );
  throw new UsageError(`"${service}" is not the name of a Service: lower case letters, digits and "-".`);
}

export function readRecordRequest(values: Values): RecordRequest {
  const service = text(values, 'service');
  const file = text(values, 'to');
  if (service === undefined) throw new UsageError('Which Service? Write kubectl svctrace record SERVICE --to FILE.');
  checkServiceName(service);
  if (file === undefined)
    throw new UsageError(
      '--to FILE is missing: where shall the recorded trace go? Write kubectl svctrace record SERVICE --to FILE.',
    );
  return {
    command: 'record',
    ...readCommon(values),
    service,
    file,
    nodes: list(values, 'node'),
    ...readProbe(values),
    timeoutMilliseconds: duration(values, 'timeout', '60s'),
  };
}

export function readInstallRequest(values: Values): InstallRequest {
  return {
    command: 'install',
    ...readCommon(values),
    dryRun: flag(values, 'dry-run'),
    timeoutMilliseconds: duration(values, 'timeout', '120s'),
  };
}

export function readUninstallRequest(values: Values): UninstallRequest {
  return {
    command: 'uninstall',
    ...readCommon(values),
    yes: flag(values, 'yes'),
    dryRun: flag(values, 'dry-run'),
    timeoutMilliseconds: duration(values, 'timeout', '120s'),
  };
}

export function readStatusRequest(values: Values): StatusRequest {
  return {
    command: 'status',
    ...readCommon(values),
    output: choice(values, 'output', tableFormats, 'table'),
  };
}

export function readDnsRequest(values: Values): DnsRequest {
  const service = text(values, 'service');
  const file = text(values, 'bundle');
  const from = text(values, 'from');
  if (service === undefined && file === undefined)
    throw new UsageError('Which Service? Write kubectl svctrace dns SERVICE.');
  if (service !== undefined) checkServiceName(service);
  const client = readFrom(from);
  if (client !== undefined && !('pod' in client))
    throw new UsageError(`--from "${from ?? ''}" must be a pod: only a pod has a resolv.conf of its own.`);
  return {
    command: 'dns',
    ...readCommon(values),
    ...(service === undefined ? {} : { service }),
    origin:
      file === undefined
        ? { kind: 'cluster', ...readProbe(values), timeoutMilliseconds: duration(values, 'timeout', '60s') }
        : { kind: 'bundle', file },
    nodes: list(values, 'node'),
    ...(client === undefined ? {} : { from: client.pod }),
    exec: flag(values, 'exec'),
    output: choice(values, 'output', tableFormats, 'table'),
  };
}

export function readLogsRequest(values: Values): LogsRequest {
  const service = text(values, 'service');
  if (service === undefined) throw new UsageError('Which Service? Write kubectl svctrace logs SERVICE.');
  checkServiceName(service);
  const container = text(values, 'container');
  const selector = text(values, 'selector');
  const since = text(values, 'since') === undefined ? undefined : Math.ceil(duration(values, 'since', '0') / 1000);
  if (since === 0) throw new UsageError('--since must be longer than 0, such as 10m.');
  // All lines of a day are more than one wants to see, unless one asked for a time.
  const tail = count(values, 'tail', since === undefined ? 100 : -1);
  return {
    command: 'logs',
    ...readCommon(values),
    service,
    follow: flag(values, 'follow'),
    previous: flag(values, 'previous'),
    ...(container === undefined ? {} : { container }),
    ...(selector === undefined ? {} : { selector }),
    ...(since === undefined ? {} : { sinceSeconds: since }),
    ...(tail < 0 ? {} : { tail }),
    kubeProxy: flag(values, 'kube-proxy'),
    nodes: list(values, 'node'),
    raw: flag(values, 'raw'),
  };
}

export function readCaptureRequest(values: Values): CaptureRequest {
  const service = text(values, 'service');
  const file = text(values, 'to');
  if (service === undefined)
    throw new UsageError('Which Service? Write kubectl svctrace capture SERVICE --to FILE.pcapng.');
  checkServiceName(service);
  if (file === undefined)
    throw new UsageError(
      '--to FILE is missing: where shall the packets go? Write kubectl svctrace capture SERVICE --to FILE.pcapng.',
    );
  const durationSeconds = Math.ceil(duration(values, 'duration', '30s') / 1000);
  if (durationSeconds < 1 || durationSeconds > 600) throw new UsageError('--duration must be between 1s and 10m.');
  const snapLength = count(values, 'snaplen', 256);
  if (snapLength < 64 || snapLength > 262_144) throw new UsageError('--snaplen must be between 64 and 262144 bytes.');
  return {
    command: 'capture',
    ...readCommon(values),
    service,
    file,
    overwrite: flag(values, 'overwrite'),
    nodes: list(values, 'node'),
    durationSeconds,
    maxBytes: size(values, 'max-bytes', '16M'),
    snapLength,
    ...readProbe(values),
  };
}

/** A number of bytes, or 512K, 16M. */
function size(values: Values, name: string, fallback: string): number {
  const value = text(values, name) ?? fallback;
  const [, amount, unit = ''] = /^(\d{1,10})([KM]?)$/i.exec(value) ?? [];
  const bytes = Number(amount) * (unit === '' ? 1 : unit.toUpperCase() === 'K' ? 1024 : 1024 ** 2);
  if (!(bytes >= 1024 && bytes <= 1024 ** 3))
    throw new UsageError(`--${name} "${value}" must be between 1K and 1024M, such as 16M.`);
  return bytes;
}

function count(values: Values, name: string, fallback: number): number {
  const value = text(values, name);
  if (value === undefined) return fallback;
  if (!/^-?\d{1,9}$/.test(value)) throw new UsageError(`--${name} "${value}" must be a number, such as 100.`);
  return Number(value);
}

/** @param run what stands behind `--` */
export function readRolloutRequest(values: Values, run: readonly string[]): RolloutRequest {
  const service = text(values, 'service');
  if (service === undefined) throw new UsageError('Which Service? Write kubectl svctrace rollout SERVICE -- COMMAND.');
  checkServiceName(service);
  return {
    command: 'rollout',
    ...readCommon(values),
    service,
    origin: flag(values, 'standalone')
      ? { kind: 'standalone', ...readProbe(values) }
      : { kind: 'operator', keep: false },
    nodes: list(values, 'node'),
    run,
    timeoutMilliseconds: duration(values, 'timeout', '10m'),
    settleMilliseconds: duration(values, 'settle', '10s'),
    output: choice(values, 'output', rolloutFormats, 'table'),
  };
}

export function readFindingsRequest(values: Values): FindingsRequest {
  const id = text(values, 'id');
  return {
    command: 'findings',
    ...readCommon(values),
    ...(id === undefined ? {} : { id }),
    output: choice(values, 'output', tableFormats, 'table'),
  };
}

export function readSimulateRequest(values: Values): SimulateRequest {
  const example = 'kubectl svctrace simulate --from 10.244.0.7 --to 10.96.0.10:53/udp --ruleset FILE';
  const from = text(values, 'from');
  const to = text(values, 'to');
  if (from === undefined || to === undefined)
    throw new UsageError(`--${from === undefined ? 'from' : 'to'} is missing. Write ${example}.`);
  const origin = readSimulateOrigin(values, example);
  const nodeIps = list(values, 'node-ip');
  for (const address of nodeIps)
    if (isIP(address) === 0) throw new UsageError(`--node-ip "${address}" is not an IP address.`);
  const source = readSource(from, origin.kind);
  const [target = '', protocolText = 'tcp', ...more] = to.split('/');
  const parsed = parseHostPort(target);
  const protocol = (['TCP', 'UDP', 'SCTP'] as const).find((each) => each === protocolText.toUpperCase());
  if (parsed === undefined || protocol === undefined || more.length > 0) {
    throw new UsageError(
      `--to "${to}" is not IP:PORT or IP:PORT/PROTOCOL with tcp, udp or sctp, such as 10.96.0.10:53/udp or [fd00::1]:80.`,
    );
  }
  if ('address' in source && isIP(source.address) !== isIP(parsed.address))
    throw new UsageError(`--from ${from} and --to ${to} are of different IP families: no packet has both.`);
  const input = text(values, 'in-interface');
  const output = text(values, 'out-interface');
  return {
    command: 'simulate',
    ...readCommon(values),
    origin,
    from: source,
    to: { ...parsed, protocol },
    nodeIps,
    nodes: list(values, 'node'),
    interfaces: { ...(input === undefined ? {} : { in: input }), ...(output === undefined ? {} : { out: output }) },
    output: choice(values, 'output', textFormats, 'text'),
  };
}

/** Where a packet comes from. @throws UsageError */
function readSource(from: string, origin: SimulateOrigin['kind']): SimulateRequest['from'] {
  const address = isIP(from) === 0 ? parseHostPort(from) : { address: from };
  if (address !== undefined) return address;
  const pod = podName(from);
  if (origin === 'ruleset')
    throw new UsageError(
      `--from "${from}" is not an IP address, nor IP:PORT${pod === undefined ? '' : '; dumps know no pods'}.`,
    );
  if (pod === undefined)
    throw new UsageError(
      `--from "${from}" is neither an IP address, nor IP:PORT, nor the name of a pod in the Service's namespace.`,
    );
  return { pod };
}

/** SERVICE, --ruleset and --bundle say whose rules are meant; a bundle may be checked against the Service's name. */
function readSimulateOrigin(values: Values, example: string): SimulateOrigin {
  const service = text(values, 'service');
  const file = text(values, 'bundle');
  const files = list(values, 'ruleset');
  if (service !== undefined) checkServiceName(service);
  if (files.filter((each) => each === '-').length > 1)
    throw new UsageError('--ruleset - can be given once: there is one standard input.');
  const services = text(values, 'services');
  if (files.length > 0) return { kind: 'ruleset', files, ...(services === undefined ? {} : { services }) };
  if (file !== undefined) return { kind: 'bundle', file, ...(service === undefined ? {} : { service }) };
  if (service === undefined)
    throw new UsageError(
      `Whose rules? Give a SERVICE, or --ruleset FILE with what iptables-save or nft list ruleset printed, or --bundle FILE with a recorded trace. Write ${example}.`,
    );
  return { kind: 'service', service, ...readProbe(values), timeoutMilliseconds: duration(values, 'timeout', '60s') };
}

export function readExplainRequest(values: Values): ExplainRequest {
  const from = readFrom(text(values, 'from'));
  const to = text(values, 'to');
  const origin = readServiceOrigin(values, 'kubectl svctrace explain SERVICE');
  return {
    command: 'explain',
    ...readCommon(values),
    origin,
    connect: readConnect(values),
    nodes: list(values, 'node'),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to: readTo(to) }),
    all: values['all'] === true,
    changes: flag(values, 'changes'),
    output: choice(values, 'output', textFormats, 'text'),
  };
}

export function readDiagramRequest(values: Values): DiagramRequest {
  return {
    command: 'diagram',
    ...readCommon(values),
    origin: readServiceOrigin(values, 'kubectl svctrace diagram SERVICE'),
    nodes: list(values, 'node'),
    output: choice(values, 'output', diagramFormats, 'text'),
    failOn: choice(values, 'fail-on', severities, 'error'),
  };
}

export function readReportRequest(values: Values): ReportRequest {
  const origin = readServiceOrigin(values, 'kubectl svctrace report SERVICE --to FILE.html');
  const file = text(values, 'to');
  if (file === undefined)
    throw new UsageError(
      '--to FILE is missing: where shall the report go? Write kubectl svctrace report SERVICE --to FILE.html.',
    );
  const from = readFrom(text(values, 'from'));
  return {
    command: 'report',
    ...readCommon(values),
    origin,
    file,
    overwrite: flag(values, 'overwrite'),
    nodes: list(values, 'node'),
    ...(from === undefined ? {} : { from }),
    connect: readConnect(values),
    // The packet path of a client shows the connections that it has.
    conntrack: conntrackSpecs[choice(values, 'conntrack', conntrackModes, from === undefined ? 'summary' : 'entries')],
    failOn: choice(values, 'fail-on', severities, 'error'),
  };
}

/** PORT or IP:PORT. */
function readTo(text_: string): NonNullable<ExplainRequest['to']> {
  const port = /^\d{1,5}$/.test(text_) ? Number(text_) : undefined;
  const to = port === undefined ? parseHostPort(text_) : { port };
  if (to === undefined || to.port > 65535)
    throw new UsageError(`--to "${text_}" is neither a port nor IP:PORT, such as 80, 10.96.0.10:53 or [fd00::1]:80.`);
  return to;
}

/** A Service that is read now, or a recorded trace. */
function readServiceOrigin(values: Values, example: string): ServiceOrigin {
  const service = text(values, 'service');
  const file = text(values, 'bundle');
  if (service !== undefined) checkServiceName(service);
  if (file === undefined) {
    if (service === undefined)
      throw new UsageError(`Which Service? Write ${example}, or --bundle FILE for a recorded trace.`);
    return { kind: 'service', service, ...readProbe(values), timeoutMilliseconds: duration(values, 'timeout', '60s') };
  }
  return { kind: 'bundle', file, ...(service === undefined ? {} : { service }) };
}

export function readVersionRequest(values: Values): VersionRequest {
  return {
    command: 'version',
    ...readCommon(values),
    output: choice(values, 'output', textFormats, 'text'),
  };
}

export function readCompletionRequest(values: Values): CompletionRequest {
  return {
    command: 'completion',
    ...readCommon(values),
    shell: choice(values, 'shell', shells, undefined),
  };
}

export function readCommon(values: Values): CommonRequest {
  const color: ColorMode = choice(values, 'color', colorModes, 'auto');
  return { color, flags: readClusterFlags(values) };
}

function readClusterFlags(values: Values): ClusterFlags {
  const asUser = text(values, 'as');
  const asGroups = list(values, 'as-group');
  const asUid = text(values, 'as-uid');
  const optional = (key: keyof ClusterFlags, name: string): Partial<ClusterFlags> => {
    const value = text(values, name);
    return value === undefined ? {} : { [key]: value };
  };
  return {
    ...optional('kubeconfig', 'kubeconfig'),
    ...optional('context', 'context'),
    ...optional('cluster', 'cluster'),
    ...optional('user', 'user'),
    ...optional('namespace', 'namespace'),
    ...optional('server', 'server'),
    ...optional('token', 'token'),
    ...optional('certificateAuthority', 'certificate-authority'),
    ...optional('clientCertificate', 'client-certificate'),
    ...optional('clientKey', 'client-key'),
    ...optional('tlsServerName', 'tls-server-name'),
    ...(asUser === undefined ? {} : { as: asUser }),
    asGroups,
    ...(asUid === undefined ? {} : { asUid }),
    insecureSkipTlsVerify: flag(values, 'insecure-skip-tls-verify'),
    requestTimeoutMilliseconds: duration(values, 'request-timeout', '0'),
    verbosity: readVerbosity(text(values, 'v')),
  };
}

function readVerbosity(value: string | undefined): number {
  if (value === undefined) return 0;
  if (!/^\d+$/.test(value)) throw new UsageError(`-v "${value}" must be a number, such as 6 to see each request.`);
  return Number(value);
}

/** The last value of a flag that takes one; an empty one is refused, as kubectl does not mean anything by it. */
function text(values: Values, name: string): string | undefined {
  const value: unknown = values[name];
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  if (last === undefined) return undefined;
  if (typeof last !== 'string' || last === '') throw new UsageError(`--${name} needs a value.`);
  return last;
}

function list(values: Values, name: string): string[] {
  const value: unknown = values[name];
  if (value === undefined) return [];
  const items: unknown[] = Array.isArray(value) ? value : [value];
  return items.flatMap((item) => {
    if (typeof item !== 'string' || item === '') throw new UsageError(`--${name} needs a value.`);
    return name === 'node' ? item.split(',').filter((part) => part !== '') : [item];
  });
}

function flag(values: Values, name: string): boolean {
  const value: unknown = values[name];
  return (Array.isArray(value) ? value.at(-1) : value) === true;
}

function choice<Value extends string>(
  values: Values,
  name: string,
  allowed: readonly Value[],
  fallback: Value | undefined,
): Value {
  const chosen = optionalChoice(values, name, allowed) ?? fallback;
  if (chosen === undefined) throw new UsageError(`Which ${name}? It is one of ${allowed.join(', ')}.`);
  return chosen;
}

function optionalChoice<Value extends string>(
  values: Values,
  name: string,
  allowed: readonly Value[],
): Value | undefined {
  const value = text(values, name);
  if (value === undefined) return undefined;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined)
    throw new UsageError(
      `${name === 'shell' ? 'The shell' : shownFlag(name)} "${value}" is not known; it is one of ${allowed.join(', ')}.`,
    );
  return found;
}

/** Go's duration text (1m30s), or a number of seconds. */
function duration(values: Values, name: string, fallback: string): number {
  const value = text(values, name) ?? fallback;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const milliseconds = goDuration(value);
  if (milliseconds === undefined || milliseconds < 0)
    throw new UsageError(`--${name} "${value}" is not a duration; write it as 30s or 1m30s, or 0 for no limit.`);
  return milliseconds;
}
