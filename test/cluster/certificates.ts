import { execa } from 'execa';
import { network, nodePlans } from './topology.ts';

/** A certificate for hosttool to make: FILE.crt and FILE.key, signed by the cluster's authority ca.crt. */
interface CertificateRequest {
  readonly file: string;
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** Who needs a certificate: the API server, and everyone whom it knows by one. */
function requests(): CertificateRequest[] {
  return [
    {
      file: 'apiserver',
      commonName: 'kube-apiserver',
      dnsNames: [
        'localhost',
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        `kubernetes.default.svc.${network.clusterDomain}`,
      ],
      ipAddresses: ['127.0.0.1', network.kubernetesServiceIp, network.controlPlaneIp, network.controlPlaneIpv6],
    },
    {
      file: 'apiserver-kubelet-client',
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters'],
    },
    { file: 'front-proxy-client', commonName: 'front-proxy-client' },
    { file: 'controller-manager', commonName: 'system:kube-controller-manager' },
    { file: 'scheduler', commonName: 'system:kube-scheduler' },
    { file: 'kube-proxy', commonName: 'system:kube-proxy' },
    ...nodePlans.flatMap((plan) => [
      { file: `${plan.name}.kubelet-client`, commonName: `system:node:${plan.name}`, organizations: ['system:nodes'] },
      {
        file: `${plan.name}.kubelet-server`,
        commonName: plan.name,
        dnsNames: [plan.name],
        ipAddresses: [plan.ip, plan.ipv6],
      },
    ]),
  ];
}

/** Makes the cluster's authority, certificates and keys in a directory. */
export async function createCertificates(hosttool: string, directory: string): Promise<void> {
  await execa(hosttool, ['pki', '--dir', directory], { input: JSON.stringify(requests()) });
}
