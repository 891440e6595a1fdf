/** Reads the kernel settings that a Service's packets depend on, from /proc/sys: reading them needs no capability. */
import { readFile } from 'node:fs/promises';
import { cpus, hostname } from 'node:os';
import type { Emit } from './io/emit.ts';

/** By their path below /proc/sys. Those of a module that is not loaded are not there. */
const sysctlPaths = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/ipv6/conf/default/forwarding',
  'net/ipv4/conf/default/forwarding',
  'net/ipv4/conf/all/rp_filter',
  'net/ipv4/conf/default/rp_filter',
  'net/ipv4/conf/all/route_localnet',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/ip_local_reserved_ports',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/netfilter/nf_conntrack_max',
  'net/netfilter/nf_conntrack_buckets',
  'net/netfilter/nf_conntrack_tcp_be_liberal',
  'net/netfilter/nf_conntrack_tcp_timeout_established',
  'net/netfilter/nf_conntrack_tcp_timeout_close_wait',
  'net/netfilter/nf_conntrack_tcp_timeout_syn_sent',
  'net/netfilter/nf_conntrack_udp_timeout',
  'net/netfilter/nf_conntrack_udp_timeout_stream',
  'net/ipv4/vs/conntrack',
  'net/ipv4/vs/conn_reuse_mode',
  'net/ipv4/vs/expire_nodest_conn',
  'net/ipv4/vs/expire_quiescent_template',
] as const;

export async function readSystem(emit: Emit): Promise<void> {
  const sysctls: Record<string, string> = {};
  const problems: string[] = [];
  await Promise.all(
    sysctlPaths.map(async (path) => {
      try {
        const text = await readSysctl(path);
        if (text !== undefined) sysctls[path] = text;
      } catch (error) {
        problems.push(error instanceof Error ? error.message : String(error));
      }
    }),
  );
  if (problems.length > 0) emit({ kind: 'unread', part: 'other', what: 'sysctls', reason: problems.join('; ') });
  emit({
    kind: 'system',
    sysctls: Object.fromEntries(Object.entries(sysctls).sort(([one], [other]) => (one < other ? -1 : 1))),
    cpus: cpus().length,
    hostname: hostname(),
  });
}

/**
 * One setting; undefined where the kernel does not have it.
 * @throws the file system's error where it is there and cannot be read
 */
export async function readSysctl(path: string): Promise<string | undefined> {
  try {
    return (await readFile(`/proc/sys/${path}`, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}
