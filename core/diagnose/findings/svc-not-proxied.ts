import type { FindingKind } from '../checks/finding.ts';

export const svcNotProxied: FindingKind = {
  id: 'SVC-NOT-PROXIED',
  topic: 'service',
  severity: 'info',
  isLasting: true,
  condition:
    'kube-proxy leaves this Service out: it is headless, of type ExternalName, or has the label service-proxy-name.',
  source: 'pkg/proxy/util/utils.go ShouldSkipService',
  find: ({ desired }) => {
    const reason = desired.service.notProxied;
    if (reason === undefined) return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `kube-proxy writes no rules for Service ${desired.name}, because ${reason}; clients reach it by its DNS name alone.`,
        evidence: [`type ${desired.service.type}, clusterIPs ${desired.service.clusterIPs.join(', ') || 'none'}`],
        advice: 'Nothing is to be done where this is meant. Otherwise give the Service a ClusterIP.',
      },
    ];
  },
};
