/** One run of a probe: reads what a request asks for, and emits the records of a report as they come. */
import { release } from 'node:os';
import { parseProxyMode } from '../core/kube-proxy/mode.ts';
import type { RecordOf } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import { reachableAddresses } from '../core/net/address.ts';
import { askHealthCheck } from './ask-health-check.ts';
import { askKubeProxy, askProxyMode } from './ask-kube-proxy.ts';
import type { Commands } from './io/commands.ts';
import { readConntrack } from './read-conntrack.ts';
import { emitStatistics, readConntrackStatistics } from './read-conntrack-statistics.ts';
import type { Emit } from './io/emit.ts';
import { readInterfaces, readLocalAddresses } from './read-interfaces.ts';
import { readOtherModes } from './rules/read-other-modes.ts';
import { readRules } from './rules/read-rules.ts';
import { readSockets } from './read-sockets.ts';
import { readSystem } from './read-system.ts';
import { readTables } from './rules/read-tables.ts';
import { ownAddresses } from './io/own-addresses.ts';

/** Rejects for nothing that a node can do: what could not be read is an `unread` record. */
export async function collect(request: ProbeRequest, commands: Commands, version: string, emit: Emit): Promise<void> {
  const started = Date.now();
  const addresses = ownAddresses();
  emit({
    kind: 'start',
    version: 1,
    node: request.node,
    startedAt: new Date(started).toISOString(),
    kernel: release(),
    probeVersion: version,
    addresses,
  });
  const { system = false } = request.collect;
  const statistics = system ? await readConntrackStatistics(commands, emit) : undefined;
  await Promise.all([
    ...(system
      ? [
          readSystem(emit),
          readInterfaces(emit),
          readSockets(request.services, emit),
          ...askHealthChecks(request, addresses, emit),
        ]
      : []),
    readAsked(request, commands, addresses, emit),
    request.collect.conntrack === 'None' ? undefined : readConntrack(commands, request, addresses, emit),
    request.collect.connect === undefined
      ? undefined
      : (await import('./checked-connections.ts')).connectChecked(
          request.collect.connect,
          request.services,
          commands,
          {
            node: request.node,
            addresses,
            readRules: (keep) =>
              readAsked(
                {
                  ...request,
                  collect: { ...request.collect, rules: true, kubeProxy: false, system: false, dispatch: 'Rules' },
                },
                commands,
                addresses,
                keep,
              ),
          },
          emit,
        ),
    request.collect.dns === undefined
      ? undefined
      : (await import('./ask-dns.ts')).askDns(
          request.collect.dns,
          request.services.map(({ namespace, name }) => `${namespace}/${name}`),
          emit,
        ),
  ]);
  if (statistics !== undefined)
    emitStatistics(statistics, (await readConntrackStatistics(commands, emit)) ?? statistics, emit);
  const finished = Date.now();
  emit({ kind: 'end', finishedAt: new Date(finished).toISOString(), durationMilliseconds: finished - started });
}

function askHealthChecks(request: ProbeRequest, addresses: readonly string[], emit: Emit): Promise<void>[] {
  const own = (['IPv4', 'IPv6'] as const).flatMap((family) => reachableAddresses(addresses, family).slice(0, 2));
  return request.services.flatMap((service) => {
    const port = service.healthCheckNodePort;
    return port === undefined || port === 0 ? [] : [askHealthCheck(service, port, own).then(emit)];
  });
}

/** kube-proxy's own word for its mode decides what is read; where it gives none, everything that is there is. */
export async function readAsked(
  request: Pick<ProbeRequest, 'services' | 'collect'>,
  commands: Commands,
  addresses: readonly string[],
  emit: Emit,
): Promise<void> {
  const { rules, kubeProxy, system } = request.collect;
  const [proxy, tables] = await Promise.all([
    kubeProxy ? askKubeProxy() : rules ? modeRecord() : undefined,
    rules ? readTables(commands, emit) : undefined,
  ]);
  if (proxy !== undefined) emit(proxy);
  if (tables === undefined) return;
  const mode = parseProxyMode(proxy?.proxyMode);
  await Promise.all([
    readRules(request, commands, { tables, mode, addresses }, emit),
    system === true && (mode === 'ipvs' || tables.ipvs) ? readLocalAddresses(request.services, emit) : undefined,
    system === true && mode !== undefined && mode !== 'unknown'
      ? readOtherModes(commands, mode, tables, request.services, emit)
      : undefined,
  ]);
}

async function modeRecord(): Promise<RecordOf<'kubeProxy'>> {
  const proxyMode = await askProxyMode();
  return { kind: 'kubeProxy', ...(proxyMode === undefined ? {} : { proxyMode }), errors: [] };
}
