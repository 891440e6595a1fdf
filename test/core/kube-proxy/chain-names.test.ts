import { expect, it } from 'vitest';
import {
  iptablesChainNames,
  iptablesEndpointChainName,
  nftablesChainNames,
} from '../../../core/kube-proxy/chain-names.ts';

const authService = { namespace: 'default', name: 'auth-service', portName: 'http', protocol: 'TCP' } as const;

// The expected names were read from the rules of a real kube-proxy 1.37.2.
it('computes the names that kube-proxy gives', () => {
  expect(iptablesChainNames(authService).cluster).toBe('KUBE-SVC-FCQA5OQTFYIPVXUO');
  expect(iptablesEndpointChainName(authService, '10.244.0.11:8080')).toBe('KUBE-SEP-N4RAAUA2JXRMETJB');
  expect(
    iptablesChainNames({ namespace: 'kube-system', name: 'kube-dns', portName: 'dns', protocol: 'UDP' }).cluster,
  ).toBe('KUBE-SVC-TCOU7JCQXEZGVUNU');
  expect(nftablesChainNames(authService).cluster).toBe('service-HJCL7P3U-default/auth-service/tcp/http');
});
