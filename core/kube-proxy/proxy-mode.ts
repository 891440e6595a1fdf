/** Which proxy mode a node runs, and how that is known. */
import { recordsOf, type NodeReport } from '../wire/node-report.ts';
import { parseProxyMode, type IptablesBackend, type ProxyMode } from './mode.ts';

export interface NodeProxyMode {
  readonly mode: ProxyMode;
  /** In words. */
  readonly source: string;
  /** Of the mode iptables, where its rules were found. */
  readonly backend?: IptablesBackend;
}

/** What kube-proxy itself says comes first; where it does not answer, the tables that the kernel holds decide. */
export function readProxyMode(report: NodeReport): NodeProxyMode {
  const reported = recordsOf(report, 'kubeProxy')[0]?.proxyMode;
  const backend = iptablesBackend(report);
  const mode = parseProxyMode(reported);
  if (mode !== undefined) {
    return {
      mode,
      source: 'kube-proxy says so on 127.0.0.1:10249/proxyMode',
      ...(mode === 'iptables' && backend !== undefined ? { backend } : {}),
    };
  }
  const silent =
    reported === undefined
      ? 'kube-proxy does not answer on 127.0.0.1:10249/proxyMode'
      : `kube-proxy says "${reported.trim()}" on 127.0.0.1:10249/proxyMode`;
  const tables = recordsOf(report, 'tables')[0];
  if (tables?.nftables?.some(({ name }) => name === 'kube-proxy') === true)
    return { mode: 'nftables', source: `${silent}; nf_tables holds its table kube-proxy` };
  if (tables?.ipvs === true) return { mode: 'ipvs', source: `${silent}; the kernel holds IPVS virtual servers` };
  if (backend !== undefined)
    return { mode: 'iptables', source: `${silent}; the nat table of iptables (${backend}) holds its chains`, backend };
  return { mode: 'unknown', source: `${silent}, and no table holds chains of its` };
}

/** The backend whose nat table holds kube-proxy's dispatch chain; nf_tables where both do, for it is the newer one. */
export function iptablesBackend(report: NodeReport): IptablesBackend | undefined {
  const dispatch = recordsOf(report, 'iptablesChain').filter(
    ({ table, chain, absent }) => table === 'nat' && chain === 'KUBE-SERVICES' && !absent,
  );
  const proven = recordsOf(report, 'dispatchReferences');
  return (['nf_tables', 'legacy'] as const).find((backend) =>
    [...dispatch, ...proven].some((record) => record.backend === backend),
  );
}
