import { shellOn } from '../../api/command.ts';
import { listed } from '../checks/listed.ts';
import { onNodesAlike } from '../checks/on-nodes-alike.ts';
import type { FindingKind } from '../checks/finding.ts';

const rangePath = 'net/ipv4/ip_local_port_range';
const reservedPath = 'net/ipv4/ip_local_reserved_ports';

export const sysPortRange: FindingKind = {
  id: 'SYS-PORT-RANGE',
  topic: 'kernel-settings',
  severity: 'warning',
  isLasting: true,
  condition:
    "A node port of the Service is one that a node's kernel takes for its own connections (in ip_local_port_range, not in ip_local_reserved_ports). kube-proxy does not listen on node ports, so that nothing keeps the port: a response to such a connection that conntrack does not know, and with IPVS every one that opens a connection, goes to the Service's endpoints, and the connection is never made.",
  notReported:
    'A reserved port; the healthCheckNodePort, on which kube-proxy listens; nodes whose settings nobody read.',
  source: 'kubernetes/kubernetes#111823, #111682; ip-sysctl.rst (ip_local_port_range, ip_local_reserved_ports)',
  find: ({ desired, nodes }) => {
    const nodePorts = [
      ...new Set(
        desired.service.ports.flatMap(({ nodePort }) => (nodePort === undefined || nodePort === 0 ? [] : nodePort)),
      ),
    ];
    const found = nodes.flatMap(({ node, read }) => {
      const { [rangePath]: range = '', [reservedPath]: reserved } = read?.system?.sysctls ?? {};
      const own = spanOf(range.trim().split(/\s+/));
      // Where it is not known what is reserved, all of it may be.
      if (own === undefined || reserved === undefined) return [];
      const kept = reserved
        .trim()
        .split(',')
        .flatMap((text) => spanOf(text.split('-')) ?? []);
      const taken = nodePorts.filter((port) => isIn(own, port) && !kept.some((each) => isIn(each, port)));
      if (taken.length === 0) return [];
      return [
        {
          node,
          reason: listed(taken.map(String)).join(', '),
          wanted: [...(reserved.trim() === '' ? [] : [reserved.trim()]), ...taken].join(','),
          evidence: [
            `net.ipv4.ip_local_port_range = ${String(own.first)} ${String(own.last)}`,
            `net.ipv4.ip_local_reserved_ports = ${reserved.trim()}`,
          ],
        },
      ];
    });
    return onNodesAlike(found, (who, ports) => ({
      message: `The kernel of ${who} takes node port ${ports} for its own connections, too.`,
      advice: 'Keep the range of node ports out of the range of local ports, or reserve it, on each such node.',
      commands: found
        .filter(({ reason }) => reason === ports)
        .slice(0, 1)
        .map(({ node, wanted }) => shellOn(node, 'sysctl', '-w', `net.ipv4.ip_local_reserved_ports=${wanted}`)),
    }));
  },
};

interface Span {
  readonly first: number;
  readonly last: number;
}

/** Of one number or two; undefined where the text has none. */
function spanOf([first = '', last = first]: readonly string[]): Span | undefined {
  return /^\d+$/.test(first) && /^\d+$/.test(last) ? { first: Number(first), last: Number(last) } : undefined;
}

function isIn({ first, last }: Span, port: number): boolean {
  return port >= first && port <= last;
}
