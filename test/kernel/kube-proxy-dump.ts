/** What tests need to load a recorded dump of kube-proxy's, and to ask for the Services in it. */
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';

/**
 * Makes objects that count, which rules of kube-proxy name: NFNL_MSG_ACCT_NEW with its name. The program for it is not
 * everywhere.
 */
const accounts = String.raw`
socket(my $kernel, 16, 3, 12) or die "$!";
for my $name (@ARGV) {
  my $attribute = pack("SS", 5 + length $name, 1) . "$name\0";
  $attribute .= "\0" x (-length($attribute) % 4);
  send($kernel, pack("LSSLLCCn", 20 + length $attribute, 7 << 8, 0x405, 1, 0, 0, 0, 0) . $attribute, 0) or die "$!";
  recv($kernel, my $answer, 65536, 0);
}
`;
export const withAccounts = `perl -e '${accounts}' ct_state_invalid_dropped_pkts localhost_nps_accepted_pkts`;

/** The Services that the comments of a dump name, with everything that their rules say of them. */
export function servicesOf(dump: string): ProbeRequestService[] {
  const services = new Map<string, ProbeRequestService>();
  const words = (line: string): { name: string; portName?: string; what: string } | undefined => {
    const [, name, portName, what = ''] =
      /--comment "?([\w.-]+\/[\w.-]+?)(?::([\w-]+))?(?: ([^"]*))?"?(?: |$)/.exec(line) ?? [];
    return name === undefined ? undefined : { name, what, ...(portName === undefined ? {} : { portName }) };
  };
  for (const line of dump.split('\n')) {
    const named = words(line);
    const [, chain] = /-A (KUBE-SERVICES|KUBE-NODEPORTS) /.exec(line) ?? [];
    const [, protocol] = / -p (tcp|udp|sctp) /.exec(line) ?? [];
    const [, port] = / --dport (\d+)/.exec(line) ?? [];
    if (named === undefined || chain === undefined || protocol === undefined || port === undefined) continue;
    const [namespace = '', name = ''] = named.name.split('/');
    const before = services.get(named.name) ?? {
      namespace,
      name,
      clusterIPs: [],
      externalIPs: [],
      loadBalancerIPs: [],
      ports: [],
    };
    const [, address] = / -d ([0-9a-f.:]+)\//.exec(line) ?? [];
    const own = before.ports.find((each) => each.name === named.portName);
    const ports = [
      ...before.ports.filter((each) => each !== own),
      {
        ...(own ?? {
          protocol: protocol.toUpperCase() as 'TCP' | 'UDP' | 'SCTP',
          port: Number(port),
          ...(named.portName === undefined ? {} : { name: named.portName }),
        }),
        ...(chain === 'KUBE-NODEPORTS' ? { nodePort: Number(port) } : {}),
      },
    ];
    const isCluster = named.what.startsWith('cluster IP') || named.what === 'has no endpoints';
    services.set(named.name, {
      ...before,
      ports,
      ...(address === undefined
        ? {}
        : isCluster
          ? { clusterIPs: [...new Set([...before.clusterIPs, address])] }
          : { externalIPs: [...new Set([...before.externalIPs, address])] }),
    });
  }
  return [...services.values()];
}
