/**
 * What serves Services on a node in kube-proxy's place, by the interfaces that a CNI makes; that it serves Services
 * too is only reported where kube-proxy is silent and the kernel holds no rules of its.
 */
import { iptablesBackend } from './proxy-mode.ts';
import { recordsOf, type NodeReport } from '../wire/node-report.ts';
import { parseProxyMode } from './mode.ts';

export type DatapathName = 'Cilium' | 'Calico eBPF' | 'Antrea' | 'OVN-Kubernetes' | 'kube-router';

export interface Datapath {
  readonly name: DatapathName;
  /** The interfaces that show it. */
  readonly interfaces: readonly string[];
  /** Kube-proxy does not answer, and there are no rules of its. */
  readonly replacesKubeProxy: boolean;
  /** What it does with Services instead of rules. */
  readonly keeps: string;
}

interface Kind {
  readonly name: DatapathName;
  readonly isInterface: (name: string) => boolean;
  readonly keeps: string;
}

const kinds: readonly Kind[] = [
  {
    name: 'Cilium',
    isInterface: (name) =>
      name === 'cilium_host' || name === 'cilium_net' || name === 'cilium_vxlan' || name === 'cilium_geneve',
    keeps: 'its Services and connections stand in BPF maps, which this version does not read',
  },
  {
    name: 'Calico eBPF',
    isInterface: (name) => name === 'bpfin.cali' || name === 'bpfout.cali',
    keeps: 'its Services and connections stand in BPF maps, which this version does not read',
  },
  {
    name: 'Antrea',
    isInterface: (name) => name === 'antrea-gw0',
    keeps: 'its Services stand in groups and flows of Open vSwitch, which this version does not read',
  },
  {
    name: 'OVN-Kubernetes',
    isInterface: (name) => name === 'ovn-k8s-mp0' || name === 'ovn-k8s-gw0',
    keeps: 'its Services stand in load balancers of OVN, which this version does not read',
  },
  {
    name: 'kube-router',
    isInterface: (name) => name === 'kube-dummy-if',
    keeps: 'its Services are IPVS virtual servers on kube-dummy-if, made by other rules than those of kube-proxy',
  },
];

/** Undefined where no interface shows one of them, or the interfaces were not read. */
export function datapathOf(report: NodeReport): Datapath | undefined {
  const names = (recordsOf(report, 'interfaces')[0]?.interfaces ?? []).map(({ name }) => name);
  for (const { name, isInterface, keeps } of kinds) {
    const interfaces = names.filter(isInterface);
    if (interfaces.length > 0)
      return { name, interfaces, replacesKubeProxy: isSilent(report) && !hasRules(report), keeps };
  }
  return undefined;
}

function isSilent(report: NodeReport): boolean {
  const proxy = recordsOf(report, 'kubeProxy')[0];
  // The replacement may answer on 10256 itself, as Cilium does where it is configured to.
  return proxy !== undefined && parseProxyMode(proxy.proxyMode) === undefined && proxy.metrics === undefined;
}

function hasRules(report: NodeReport): boolean {
  const tables = recordsOf(report, 'tables')[0];
  return (
    tables === undefined ||
    iptablesBackend(report) !== undefined ||
    tables.nftables?.some(({ name }) => name === 'kube-proxy') === true
  );
}
