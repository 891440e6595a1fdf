/** Where a datapath other than kube-proxy shows what it does with a Service. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { Datapath, DatapathName } from '../../kube-proxy/datapath.ts';
import type { DesiredService } from '../../api/service.ts';
import { kubectl, shellOn, type Action, type Command } from '../../api/command.ts';

interface Place {
  readonly node: string;
  readonly desired: DesiredService;
  /** The kubelet's version, which names some providers. */
  readonly version: string;
}

const lists: Readonly<Record<DatapathName, (place: Place) => Command>> = {
  // GKE's Dataplane V2 is Cilium under a name of its own.
  Cilium: ({ version }) =>
    /-gke\.\d/.test(version)
      ? kubectl('-n', 'kube-system', 'exec', 'ds/anetd', '-c', 'cilium-agent', '--', 'cilium', 'service', 'list')
      : kubectl('-n', 'kube-system', 'exec', 'ds/cilium', '-c', 'cilium-agent', '--', 'cilium-dbg', 'service', 'list'),
  'Calico eBPF': () =>
    kubectl(
      '-n',
      'calico-system',
      'exec',
      'ds/calico-node',
      '-c',
      'calico-node',
      '--',
      'calico-node',
      '-bpf',
      'nat',
      'dump',
    ),
  Antrea: ({ desired }) =>
    kubectl(
      '-n',
      'kube-system',
      'exec',
      'ds/antrea-agent',
      '-c',
      'antrea-agent',
      '--',
      'antctl',
      'get',
      'ovsflows',
      '-S',
      desired.name,
      '-n',
      desired.namespace,
    ),
  'OVN-Kubernetes': () =>
    kubectl('-n', 'ovn-kubernetes', 'exec', 'ds/ovnkube-node', '-c', 'nb-ovsdb', '--', 'ovn-nbctl', 'lb-list'),
  'kube-router': ({ node }) => shellOn(node, 'ipvsadm', '-L', '-n'),
};

/** @param nodes of one datapath; the command is for the first */
export function datapathAction(
  nodes: readonly { readonly node: string; readonly datapath: Datapath }[],
  desired: DesiredService,
  cluster: ClusterFacts | undefined,
): Action {
  const [first] = nodes;
  if (first === undefined) return { advice: 'Look at it with the tools of that datapath.' };
  const version = cluster?.nodes?.find(({ name }) => name === first.node)?.kubeletVersion ?? '';
  return {
    advice: `The own list of ${first.datapath.name} shows what it does with the Service.`,
    commands: [lists[first.datapath.name]({ node: first.node, desired, version })],
  };
}
