/** The packet path of the client of --from over its own node, or over the nodes on which its packets may enter. */
import { isSameAddress, prefixContains } from '../../core/net/address.ts';
import type { Bundle } from '../../core/wire/bundle.ts';
import { followClient, type Client, type PacketPath } from '../../core/explain/follow-client.ts';
import { checkedFrontends, type Frontend } from '../../core/api/frontends.ts';
import { recordsOf, type NodeReport } from '../../core/wire/node-report.ts';
import { parseConntrackLine } from '../../core/conntrack/parse-entry.ts';
import { familyOf } from '../../core/net/family.ts';
import { UsageError } from '../cli/errors.ts';
import { nodesByProgram } from './node-programs.ts';
import type { ClientName } from '../cli/request.ts';

/** An address of the client, and the node that it is on, where that is known. */
export type PlacedClient = Client & { readonly node?: string };

/** The addresses of the client; a pod's by its name, as far as the trace knows it. @throws UsageError */
export function clientsOf({ answers, cluster, desired, walkFrom }: Bundle, from: ClientName): readonly PlacedClient[] {
  const endpoints = desired.endpointSlices.flatMap((slice) => slice.endpoints);
  if ('ip' in from) {
    const endpoint = endpoints.find(({ addresses }) => addresses.some((address) => isSameAddress(address, from.ip)));
    const pod = cluster?.pods?.find(({ addresses }) => addresses.some((address) => isSameAddress(address, from.ip)));
    const name = pod?.name ?? endpoint?.targetRef?.name;
    const node =
      pod?.node ??
      endpoint?.nodeName ??
      cluster?.nodes?.find(({ podCIDRs }) => podCIDRs.some((prefix) => prefixContains(prefix, from.ip) === true))
        ?.name ??
      trackingNode(answers, from.ip);
    return [
      { address: from.ip, ...(name === undefined ? {} : { pod: name }), ...(node === undefined ? {} : { node }) },
    ];
  }
  if (walkFrom !== undefined && walkFrom.length > 0)
    return walkFrom.map(({ address, node }) => ({ address, node, pod: from.pod }));
  const pod = cluster?.pods?.find(({ name }) => name === from.pod);
  if (pod !== undefined)
    return pod.addresses.map((address) => ({
      address,
      pod: pod.name,
      ...(pod.node === undefined ? {} : { node: pod.node }),
    }));
  const own = endpoints.filter(({ targetRef }) => targetRef?.name === from.pod);
  if (own.length > 0)
    return own.flatMap(({ addresses, nodeName }) =>
      addresses
        .slice(0, 1)
        .map((address) => ({ address, pod: from.pod, ...(nodeName === undefined ? {} : { node: nodeName }) })),
    );
  throw new UsageError(
    `--from ${from.pod}: the trace knows no pod of this name; a recorded trace knows the Service's own pods alone. Write the client's IP address.`,
  );
}

/** The node whose conntrack holds connections of the client, where it is one alone: packets of a pod meet the rules of its own node. */
function trackingNode(answers: Bundle['answers'], address: string): string | undefined {
  const nodes = answers.filter(
    (answer) =>
      'report' in answer &&
      recordsOf(answer.report, 'conntrack').some(({ lines }) =>
        lines.some((line) => parseConntrackLine(line)?.original.source === address),
      ),
  );
  return nodes.length === 1 ? nodes[0]?.node : undefined;
}

/** The client's own node, where it is known and has answered. */
export function ownNodeOf(reports: readonly NodeReport[], clients: readonly PlacedClient[]): NodeReport | undefined {
  return clients.flatMap(({ address, node }) =>
    reports.filter((report) =>
      node === undefined
        ? (recordsOf(report, 'start')[0]?.addresses ?? []).some((own) => isSameAddress(own, address))
        : report.node === node,
    ),
  )[0];
}

/**
 * A packet goes from an address to one of the same family.
 * @throws UsageError where the client and the Service have none in common
 */
export function checkFamilies(
  clients: readonly PlacedClient[],
  frontends: readonly Pick<Frontend, 'family'>[],
  { name }: Bundle['desired'],
): void {
  const own = [...new Set(clients.map(({ address }) => familyOf(address)))];
  const served = [...new Set(frontends.map(({ family }) => family))];
  if (own.length === 0 || served.length === 0 || own.some((family) => served.includes(family))) return;
  throw new UsageError(
    `Service ${name} has no ${own.join(' or ')} address, only ${served.join(' and ')}, so no packet of ${clients[0]?.pod ?? clients[0]?.address ?? 'the client'} (${clients.map(({ address }) => address).join(', ')}) goes to it; choose a client with an ${served.join(' or ')} address.`,
  );
}

export function packetPathsOf(
  bundle: Bundle,
  report: NodeReport,
  clients: readonly Client[],
  frontends: readonly Frontend[],
): PacketPath[] {
  return frontends.flatMap((frontend) =>
    clients
      .filter(({ address }) => familyOf(address) === frontend.family)
      .flatMap((client) => followClient(bundle, report, client, frontend) ?? []),
  );
}

/**
 * To every frontend; over the client's own node, else over one node of each different program.
 * @throws UsageError where the trace knows no such client
 */
export function allPacketPaths(bundle: Bundle, from: ClientName): PacketPath[] {
  const { answers, desired } = bundle;
  const clients = clientsOf(bundle, from);
  checkFamilies(clients, checkedFrontends(desired), desired);
  const reports = answers.flatMap((answer) => ('report' in answer ? [answer.report] : []));
  const ownNode = ownNodeOf(reports, clients);
  const over = ownNode === undefined ? nodesByProgram(reports, desired).map(({ report }) => report) : [ownNode];
  return over.flatMap((report) => packetPathsOf(bundle, report, clients, checkedFrontends(desired)));
}
