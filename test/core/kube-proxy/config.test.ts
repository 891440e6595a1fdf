import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  KubeProxyConfigError,
  parseKubeProxyConfigMap,
  parseKubeProxyConfiguration,
  parseKubeProxyConfigz,
} from '../../../core/kube-proxy/config.ts';
import { mutatedDump } from '../../support/mutated-dump.ts';

/** As kubeadm writes it: the defaults of pkg/proxy/apis/config/scheme/testdata (v1.37), with the settings of a cluster. */
const yaml = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 10
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
configSyncPeriod: 15m0s
conntrack:
  maxPerCore: 32768
  min: 131072
  tcpBeLiberal: false
  tcpCloseWaitTimeout: 1h0m0s
  tcpEstablishedTimeout: 24h0m0s
  udpStreamTimeout: 0s
  udpTimeout: null
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: cali
detectLocalMode: InterfaceNamePrefix
featureGates:
  NFTablesProxyMode: true
healthzBindAddress: 0.0.0.0:10256
hostnameOverride: ""
iptables:
  localhostNodePorts: true
  masqueradeAll: true
  masqueradeBit: 14
  minSyncPeriod: 1s
  syncPeriod: 30s
ipvs:
  excludeCIDRs: [192.0.2.0/24]
  minSyncPeriod: 500ms
  scheduler: wrr
  strictARP: true
  syncPeriod: 1m30s
  tcpFinTimeout: 0s
  teapot: brown
kind: KubeProxyConfiguration
metricsBindAddress: 127.0.0.1:10249
mode: MODE
nftables:
  masqueradeAll: false
  masqueradeBit: 15
  minSyncPeriod: 2s
  syncPeriod: 45s
nodePortAddresses: null
`;
const configuration = (mode: string): string => yaml.replace('MODE', mode);

/** Older versions: the internal type of pkg/proxy/apis/config/types.go, by Go's own names. */
const internal = JSON.stringify({
  'kubeproxy.config.k8s.io': {
    Linux: {
      Conntrack: {
        MaxPerCore: 32768,
        Min: 131072,
        TCPEstablishedTimeout: '24h0m0s',
        TCPCloseWaitTimeout: '1h0m0s',
        TCPBeLiberal: false,
        UDPTimeout: '0s',
      },
      MasqueradeAll: true,
      OOMScoreAdj: -999,
    },
    FeatureGates: { NFTablesProxyMode: true },
    Mode: 'nftables',
    IPTables: { MasqueradeBit: 14, LocalhostNodePorts: true },
    NFTables: { MasqueradeBit: 15 },
    IPVS: { Scheduler: '', ExcludeCIDRs: null, StrictARP: false },
    DetectLocalMode: 'ClusterCIDR',
    DetectLocal: { BridgeInterface: '', ClusterCIDRs: ['10.244.0.0/16'], InterfaceNamePrefix: '' },
    NodePortAddresses: ['primary'],
    SyncPeriod: '30s',
    MinSyncPeriod: '1s',
  },
});

describe('parseKubeProxyConfiguration', () => {
  it('reads a configuration whole', () => {
    const config = parseKubeProxyConfiguration(configuration('ipvs'));
    expect(config).toEqual({
      mode: 'ipvs',
      clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
      detectLocalMode: 'InterfaceNamePrefix',
      detectLocal: { interfaceNamePrefix: 'cali' },
      masqueradeAll: true,
      masqueradeBit: 14,
      syncPeriod: 90,
      minSyncPeriod: 0.5,
      localhostNodePorts: true,
      nodePortAddresses: [],
      conntrack: {
        maxPerCore: 32768,
        min: 131072,
        tcpBeLiberal: false,
        tcpCloseWaitTimeout: 3600,
        tcpEstablishedTimeout: 86400,
        udpStreamTimeout: 0,
      },
      ipvs: { scheduler: 'wrr', strictARP: true, excludeCIDRs: ['192.0.2.0/24'], tcpFinTimeout: 0 },
      bindAddress: '0.0.0.0',
      metricsBindAddress: '127.0.0.1:10249',
      healthzBindAddress: '0.0.0.0:10256',
      featureGates: { NFTablesProxyMode: true },
      others: {
        bindAddressHardFail: false,
        clientConnection: { acceptContentTypes: '', burst: 10, kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf' },
        configSyncPeriod: '15m0s',
        'ipvs.teapot': 'brown',
      },
    });
  });

  it.each([
    ['iptables', { masqueradeAll: true, masqueradeBit: 14, syncPeriod: 30, minSyncPeriod: 1 }],
    ['nftables', { masqueradeAll: false, masqueradeBit: 15, syncPeriod: 45, minSyncPeriod: 2 }],
    ['""', { masqueradeAll: true, masqueradeBit: 14, syncPeriod: 30, minSyncPeriod: 1 }],
  ])('takes the settings of the mode %s', (mode, expected) => {
    expect(parseKubeProxyConfiguration(configuration(mode))).toMatchObject(expected);
  });

  it('reads /configz of the public type, and of the internal one of older versions', () => {
    expect(parseKubeProxyConfigz(internal)).toMatchObject({
      mode: 'nftables',
      clusterCIDRs: ['10.244.0.0/16'],
      masqueradeAll: true,
      masqueradeBit: 15,
      syncPeriod: 30,
      minSyncPeriod: 1,
      nodePortAddresses: ['primary'],
      conntrack: { maxPerCore: 32768, tcpEstablishedTimeout: 86400 },
      featureGates: { NFTablesProxyMode: true },
    });
    expect(parseKubeProxyConfigz(internal).others).toEqual({ 'Linux.OOMScoreAdj': -999 });
    const external = {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode: 'iptables',
      clusterCIDR: '',
      iptables: { minSyncPeriod: '1s' },
    };
    expect(parseKubeProxyConfigz(JSON.stringify({ 'kubeproxy.config.k8s.io': external }))).toMatchObject({
      mode: 'iptables',
      clusterCIDRs: [],
      minSyncPeriod: 1,
    });
  });

  it.each(['v1.29', 'v1.36'])('reads what kube-proxy %s wrote with --write-config-to', (version) => {
    const written = readFileSync(
      new URL(`../../fixtures/kube-proxy-config/${version}-ipvs.yaml`, import.meta.url),
      'utf8',
    );
    const config = parseKubeProxyConfiguration(written);
    expect(config).toMatchObject({
      mode: 'ipvs',
      clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
      detectLocalMode: 'ClusterCIDR',
      masqueradeBit: 14,
      masqueradeAll: false,
      conntrack: { tcpEstablishedTimeout: 86400 },
      metricsBindAddress: '127.0.0.1:10249',
    });
    expect(
      Object.keys(config.others).filter((name) => /^(iptables|ipvs|nftables|conntrack|detectLocal)\./.test(name)),
    ).toEqual([]);
  });

  it('finds the configuration in a ConfigMap', () => {
    const expected = parseKubeProxyConfiguration(configuration('ipvs'));
    const kubeconfig = 'apiVersion: v1\nkind: Config\n';
    expect(parseKubeProxyConfigMap({ 'kubeconfig.conf': kubeconfig, 'config.conf': configuration('ipvs') })).toEqual(
      expected,
    );
    expect(
      parseKubeProxyConfigMap({ 'kubeconfig.conf': kubeconfig, 'kube-proxy.yaml': configuration('ipvs') }),
    ).toEqual(expected);
  });

  it.each([
    [
      'a ConfigMap without it',
      () => parseKubeProxyConfigMap({ 'kubeconfig.conf': 'kind: Config' }),
      'the ConfigMap has no config.conf, and no other text of the kind KubeProxyConfiguration; it has kubeconfig.conf',
    ],
    [
      'wrong YAML',
      () => parseKubeProxyConfiguration('mode: [iptables'),
      /^kube-proxy's configuration is not YAML: [^\n]+$/,
    ],
    [
      'no settings',
      () => parseKubeProxyConfiguration('just words'),
      "kube-proxy's configuration holds no settings, but a string",
    ],
    ['nothing', () => parseKubeProxyConfiguration(''), "kube-proxy's configuration holds no settings, but nothing"],
    [
      'a wrong duration',
      () => parseKubeProxyConfiguration('ipvs:\n  minSyncPeriod: soon\n'),
      'kube-proxy\'s configuration has a wrong ipvs.minSyncPeriod: "soon" is not a duration such as 30s or 1m0s',
    ],
    [
      'a number for a text',
      () => parseKubeProxyConfiguration('clusterCIDR: 10\n'),
      "kube-proxy's configuration has a wrong clusterCIDR: Invalid input: expected string, received number",
    ],
    ['no JSON', () => parseKubeProxyConfigz('404 page not found'), '/configz answers with no JSON: 404 page not found'],
    [
      'another component',
      () => parseKubeProxyConfigz('{"kubeletconfig":{}}'),
      '/configz has no kubeproxy.config.k8s.io: another component answers there',
    ],
  ])('says in one sentence what is wrong with %s', (_name, read, message) => {
    expect(read).toThrow(KubeProxyConfigError);
    expect(read).toThrow(message);
  });

  it('throws its own error alone, whatever the text', () => {
    const onlyItsOwn = (read: () => unknown): void => {
      try {
        read();
      } catch (error) {
        expect(error).toBeInstanceOf(KubeProxyConfigError);
      }
    };
    fc.assert(
      fc.property(fc.oneof(fc.string(), mutatedDump([yaml])), (text) => {
        onlyItsOwn(() => parseKubeProxyConfiguration(text));
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), mutatedDump([internal])), (text) => {
        onlyItsOwn(() => parseKubeProxyConfigz(text));
      }),
      { numRuns: 300 },
    );
  });
});
