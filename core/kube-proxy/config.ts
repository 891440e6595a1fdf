/**
 * How kube-proxy is configured: KubeProxyConfiguration v1alpha1 (k8s.io/kube-proxy/config/v1alpha1/types.go) from the
 * ConfigMap kube-proxy or from /configz. Older versions answer /configz with their internal type, whose names begin
 * with capitals and which has some settings in other places (pkg/proxy/apis/config/types.go): names are compared
 * without regard to case, and both places are looked at.
 */
import { parse } from 'yaml';
import * as z from 'zod';
import { goDuration } from '../lib/go-duration.ts';

/** Durations in seconds. A setting is absent where the configuration has none: kube-proxy's default holds. */
export interface KubeProxyConfig {
  /** iptables, ipvs, nftables, kernelspace; absent: iptables, on Linux. */
  readonly mode?: string;
  /** Of the pods; one of each family in a dual-stack cluster. */
  readonly clusterCIDRs: readonly string[];
  /** ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix; absent: ClusterCIDR. */
  readonly detectLocalMode?: string;
  readonly detectLocal: { readonly bridgeInterface?: string; readonly interfaceNamePrefix?: string };
  /** Those that hold for the mode: each mode has its own (v1alpha1/conversion.go). */
  readonly masqueradeAll?: boolean;
  readonly masqueradeBit?: number;
  readonly syncPeriod?: number;
  readonly minSyncPeriod?: number;
  readonly localhostNodePorts?: boolean;
  readonly nodePortAddresses: readonly string[];
  readonly hostnameOverride?: string;
  readonly conntrack: {
    readonly maxPerCore?: number;
    readonly min?: number;
    readonly tcpBeLiberal?: boolean;
    readonly tcpEstablishedTimeout?: number;
    readonly tcpCloseWaitTimeout?: number;
    readonly udpTimeout?: number;
    readonly udpStreamTimeout?: number;
  };
  readonly ipvs: {
    readonly scheduler?: string;
    readonly strictARP?: boolean;
    readonly excludeCIDRs: readonly string[];
    readonly tcpTimeout?: number;
    readonly tcpFinTimeout?: number;
    readonly udpTimeout?: number;
  };
  readonly bindAddress?: string;
  readonly metricsBindAddress?: string;
  readonly healthzBindAddress?: string;
  readonly featureGates: Readonly<Record<string, boolean>>;
  /** Settings that have no field here, by their names. */
  readonly others: Readonly<Record<string, unknown>>;
}

/** Thrown for a text that is not a configuration of kube-proxy: one sentence. */
export class KubeProxyConfigError extends Error {
  override readonly name = 'KubeProxyConfigError';
}

/**
 * The body of 127.0.0.1:10249/configz.
 * @throws KubeProxyConfigError
 */
export function parseKubeProxyConfigz(body: string): KubeProxyConfig {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new KubeProxyConfigError(`/configz answers with no JSON: ${body.slice(0, 80)}`);
  }
  const configz = z.object({ 'kubeproxy.config.k8s.io': z.unknown() }).safeParse(value);
  if (!configz.success || configz.data['kubeproxy.config.k8s.io'] === undefined)
    throw new KubeProxyConfigError('/configz has no kubeproxy.config.k8s.io: another component answers there');
  return readConfiguration(configz.data['kubeproxy.config.k8s.io'], '/configz');
}

/**
 * The data of the ConfigMap kube-proxy: `config.conf`, as kubeadm names it, or the one text that holds a
 * KubeProxyConfiguration. `kubeconfig.conf` is of no matter here.
 * @throws KubeProxyConfigError
 */
export function parseKubeProxyConfigMap(data: Readonly<Record<string, string>>): KubeProxyConfig {
  const named =
    data['config.conf'] ?? Object.values(data).find((text) => /^\s*"?kind"?:\s*"?KubeProxyConfiguration/m.test(text));
  if (named === undefined)
    throw new KubeProxyConfigError(
      `the ConfigMap has no config.conf, and no other text of the kind KubeProxyConfiguration; it has ${Object.keys(data).join(', ') || 'nothing'}`,
    );
  return parseKubeProxyConfiguration(named);
}

/**
 * A KubeProxyConfiguration in YAML or JSON.
 * @throws KubeProxyConfigError
 */
export function parseKubeProxyConfiguration(text: string): KubeProxyConfig {
  let value: unknown;
  try {
    value = parse(text, { logLevel: 'error' });
  } catch (error) {
    throw new KubeProxyConfigError(
      `kube-proxy's configuration is not YAML: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`,
    );
  }
  return readConfiguration(value, "kube-proxy's configuration");
}

const text = z.string().optional();
const number = z.number().int().optional();
const flag = z.boolean().optional();
const list = z.array(z.string()).optional();
/** Seconds of Go's time.Duration in text. */
const duration = z
  .string()
  .transform((written, context) => {
    const milliseconds = goDuration(written);
    if (milliseconds === undefined)
      context.addIssue({ code: 'custom', message: `"${written.slice(0, 40)}" is not a duration such as 30s or 1m0s` });
    return (milliseconds ?? 0) / 1000;
  })
  .optional();

const masquerade = { masqueradeall: flag, masqueradebit: number, syncperiod: duration, minsyncperiod: duration };
const conntrackSchema = z.looseObject({
  maxpercore: number,
  min: number,
  tcpbeliberal: flag,
  tcpestablishedtimeout: duration,
  tcpclosewaittimeout: duration,
  udptimeout: duration,
  udpstreamtimeout: duration,
});

/** By names in lower case. */
const schema = z.looseObject({
  apiversion: text,
  kind: z.literal('KubeProxyConfiguration').optional(),
  mode: text,
  clustercidr: text,
  detectlocalmode: text,
  detectlocal: z.looseObject({ bridgeinterface: text, interfacenameprefix: text, clustercidrs: list }).optional(),
  iptables: z.looseObject({ ...masquerade, localhostnodeports: flag }).optional(),
  nftables: z.looseObject(masquerade).optional(),
  ipvs: z
    .looseObject({
      syncperiod: duration,
      minsyncperiod: duration,
      scheduler: text,
      strictarp: flag,
      excludecidrs: list,
      tcptimeout: duration,
      tcpfintimeout: duration,
      udptimeout: duration,
    })
    .optional(),
  conntrack: conntrackSchema.optional(),
  linux: z.looseObject({ conntrack: conntrackSchema.optional(), masqueradeall: flag }).optional(),
  syncperiod: duration,
  minsyncperiod: duration,
  nodeportaddresses: list,
  hostnameoverride: text,
  bindaddress: text,
  metricsbindaddress: text,
  healthzbindaddress: text,
  featuregates: z.record(z.string(), z.boolean()).optional(),
});

/** Objects whose names are settings; below others (featureGates, logging …) names stay as they are. */
const sections = ['detectlocal', 'iptables', 'nftables', 'ipvs', 'conntrack', 'linux'];

function readConfiguration(value: unknown, from: string): KubeProxyConfig {
  const object = z.record(z.string(), z.unknown()).safeParse(value);
  if (!object.success)
    throw new KubeProxyConfigError(
      `${from} holds no settings, but ${value === null || value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : `a ${typeof value}`}`,
    );
  const names = new Map<string, string>();
  const parsed = schema.safeParse(withLowerNames(object.data, '', names));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue?.path.join('.') ?? '';
    throw new KubeProxyConfigError(
      `${from} has a wrong ${names.get(path) ?? path}: ${issue?.message ?? 'it is not understood'}`,
    );
  }
  const config = parsed.data;
  const own = config.mode === 'nftables' ? config.nftables : config.iptables;
  const periods = config.mode === 'ipvs' ? config.ipvs : own;
  const conntrack = config.linux?.conntrack ?? config.conntrack;
  return compact({
    mode: config.mode,
    clusterCIDRs:
      config.detectlocal?.clustercidrs ??
      (config.clustercidr ?? '')
        .split(',')
        .map((prefix) => prefix.trim())
        .filter((prefix) => prefix !== ''),
    detectLocalMode: config.detectlocalmode,
    detectLocal: compact({
      bridgeInterface: config.detectlocal?.bridgeinterface,
      interfaceNamePrefix: config.detectlocal?.interfacenameprefix,
    }),
    masqueradeAll: config.linux?.masqueradeall ?? own?.masqueradeall,
    masqueradeBit: own?.masqueradebit,
    syncPeriod: config.syncperiod ?? periods?.syncperiod,
    minSyncPeriod: config.minsyncperiod ?? periods?.minsyncperiod,
    localhostNodePorts: config.iptables?.localhostnodeports,
    nodePortAddresses: config.nodeportaddresses ?? [],
    hostnameOverride: config.hostnameoverride,
    conntrack: compact({
      maxPerCore: conntrack?.maxpercore,
      min: conntrack?.min,
      tcpBeLiberal: conntrack?.tcpbeliberal,
      tcpEstablishedTimeout: conntrack?.tcpestablishedtimeout,
      tcpCloseWaitTimeout: conntrack?.tcpclosewaittimeout,
      udpTimeout: conntrack?.udptimeout,
      udpStreamTimeout: conntrack?.udpstreamtimeout,
    }),
    ipvs: compact({
      scheduler: config.ipvs?.scheduler,
      strictARP: config.ipvs?.strictarp,
      excludeCIDRs: config.ipvs?.excludecidrs ?? [],
      tcpTimeout: config.ipvs?.tcptimeout,
      tcpFinTimeout: config.ipvs?.tcpfintimeout,
      udpTimeout: config.ipvs?.udptimeout,
    }),
    bindAddress: config.bindaddress,
    metricsBindAddress: config.metricsbindaddress,
    healthzBindAddress: config.healthzbindaddress,
    featureGates: config.featuregates ?? {},
    others: othersOf(config, names),
  });
}

/** What is null is not set. */
function withLowerNames(
  object: Readonly<Record<string, unknown>>,
  path: string,
  names: Map<string, string>,
): Record<string, unknown> {
  const entries = Object.entries(object).flatMap(([name, value]): [string, unknown][] => {
    if (value === null) return [];
    const lower = name.toLowerCase();
    const here = path === '' ? lower : `${path}.${lower}`;
    names.set(here, path === '' ? name : `${names.get(path) ?? path}.${name}`);
    const inner = sections.includes(lower) ? z.record(z.string(), z.unknown()).safeParse(value) : undefined;
    return [[lower, inner?.success === true ? withLowerNames(inner.data, here, names) : value]];
  });
  return Object.fromEntries(entries);
}

/** The settings that no schema names, of each section too. */
function othersOf(config: z.infer<typeof schema>, names: ReadonlyMap<string, string>): Record<string, unknown> {
  const known = new Set([...names.keys()].filter((path) => isKnown(path)));
  const others: [string, unknown][] = [];
  for (const [path, name] of names) {
    if (known.has(path)) continue;
    const value = path
      .split('.')
      .reduce<unknown>(
        (object, key) =>
          typeof object === 'object' && object !== null
            ? Object.getOwnPropertyDescriptor(object, key)?.value
            : undefined,
        config,
      );
    others.push([name, value]);
  }
  return Object.fromEntries(others);
}

function isKnown(path: string): boolean {
  const [first = '', second, third] = path.split('.');
  if (!Object.hasOwn(schema.shape, first)) return false;
  if (second === undefined) return true;
  const section = {
    detectlocal: schema.shape.detectlocal,
    iptables: schema.shape.iptables,
    nftables: schema.shape.nftables,
    ipvs: schema.shape.ipvs,
    conntrack: schema.shape.conntrack,
    linux: schema.shape.linux,
  }[first];
  if (section === undefined || !Object.hasOwn(section.unwrap().shape, second)) return false;
  return third === undefined || Object.hasOwn(conntrackSchema.shape, third);
}

type Compact<Value> = { [Key in keyof Value as undefined extends Value[Key] ? never : Key]: Value[Key] } & {
  [Key in keyof Value as undefined extends Value[Key] ? Key : never]?: Exclude<Value[Key], undefined>;
};

/** Without what is not set: an empty text is Go's way to say so. */
function compact<Value extends object>(value: Value): Compact<Value> {
  return Object.fromEntries(
    Object.entries(value).filter(([, setting]) => setting !== undefined && setting !== ''),
  ) as Compact<Value>;
}
