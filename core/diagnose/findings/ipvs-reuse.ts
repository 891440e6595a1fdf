import { recordsOf } from '../../wire/node-report.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

const setting = 'net/ipv4/vs/conn_reuse_mode';

export const ipvsReuse: FindingKind = {
  id: 'IPVS-REUSE',
  topic: 'rules',
  severity: 'warning',
  condition:
    'A node in IPVS mode treats a source port that a client uses again in a way that harms: before Linux 5.9, conn_reuse_mode other than 0 makes such a connection wait a second; since then, 0 sends it to the real server of the former one, even where that drains.',
  notReported:
    'conn_reuse_mode 0 before Linux 5.9, which kube-proxy sets itself; Services without a TCP port; a kernel whose version is not known.',
  source:
    'pkg/proxy/ipvs/proxier.go NewProxier (connReuseFixedKernelVersion); kubernetes/kubernetes#81775; ipvs-sysctl.rst',
  find: ({ desired, nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const value = read?.system?.sysctls[setting];
      const kernel = read === undefined ? undefined : recordsOf(read.report, 'start')[0]?.kernel;
      const isOld = isBeforeFix(kernel);
      if (
        read?.program.proxyMode !== 'ipvs' ||
        value === undefined ||
        isOld === undefined ||
        !desired.service.ports.some(({ protocol }) => protocol === 'TCP')
      )
        return [];
      if (isOld ? value === '0' || read.system?.sysctls['net/ipv4/vs/conntrack'] === '0' : value !== '0') return [];
      return [
        onNode(node, {
          message: isOld
            ? `On ${node}, a client that uses a source port again waits a second for its connection: conn_reuse_mode is ${value} on Linux ${kernel ?? ''}.`
            : `On ${node}, a client that uses a source port again is sent to the real server of its former connection, even where that one drains: conn_reuse_mode is 0 on Linux ${kernel ?? ''}.`,
          evidence: [
            `${setting.replaceAll('/', '.')} = ${value}`,
            `Linux ${kernel ?? ''}; the kernel's own fault was mended in 5.9`,
          ],
          advice: isOld
            ? `Set the sysctl on ${node} to 0, or run a kernel from 5.9 on.`
            : `Set the sysctl on ${node} to 1, the kernel's default, and find out who sets it to 0.`,
          commands: [shellOn(node, 'sysctl', '-w', `net.ipv4.vs.conn_reuse_mode=${isOld ? '0' : '1'}`)],
        }),
      ];
    }),
};

/** `5.4.0-42-generic`; undefined for what is not a version. */
function isBeforeFix(kernel: string | undefined): boolean | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(kernel ?? '') ?? [];
  return major === undefined ? undefined : Number(major) < 5 || (Number(major) === 5 && Number(minor) < 9);
}
