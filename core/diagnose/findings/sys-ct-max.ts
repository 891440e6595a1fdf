import { plural } from '../../lib/plural.ts';
import type { KubeProxyConfig } from '../../kube-proxy/config.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

/** pkg/proxy/conntrack/sysctls.go, since 1.36: no more than this, whatever the number of CPUs. */
const mostAsked = 1_048_576;

export const sysCtMax: FindingKind = {
  id: 'SYS-CT-MAX',
  topic: 'kernel-settings',
  severity: 'warning',
  isLasting: true,
  condition:
    "A node's conntrack table has less room than kube-proxy is configured to give it (maxPerCore times CPUs, at least min): it could not, or somebody made it smaller afterwards.",
  notReported: 'A larger table, which kube-proxy leaves; maxPerCore 0, which leaves it too.',
  source: 'pkg/proxy/conntrack/sysctls.go getConntrackMax',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const config = read?.kubeProxy?.config?.conntrack;
      const max = read?.conntrackTable?.max ?? Number(read?.system?.sysctls['net/netfilter/nf_conntrack_max'] ?? NaN);
      if (config === undefined || read?.system === undefined || !Number.isFinite(max)) return [];
      const asked = askedSize(config, read.system.cpus);
      if (asked === undefined || max >= asked) return [];
      return [
        onNode(node, {
          message: `The conntrack table of ${node} has room for ${plural(max, 'entry', 'entries')}; kube-proxy is configured to give it ${asked}.`,
          evidence: [
            `nf_conntrack_max = ${max}`,
            `maxPerCore ${config.maxPerCore ?? 0}, min ${config.min ?? 0}, ${plural(read.system.cpus, 'CPU')}`,
          ],
          advice: `Raise the sysctl on ${node}. kube-proxy's log says at its start why it could not.`,
          commands: [shellOn(node, 'sysctl', '-w', `net.netfilter.nf_conntrack_max=${String(asked)}`)],
        }),
      ];
    }),
};

function askedSize({ maxPerCore = 0, min = 0 }: KubeProxyConfig['conntrack'], cpus: number): number | undefined {
  return maxPerCore <= 0
    ? undefined
    : Math.max(Math.min(maxPerCore * cpus, mostAsked), min <= mostAsked ? min : mostAsked);
}
