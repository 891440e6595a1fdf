/** Every kind of finding, in the order in which they are decided and shown. */
import type { FindingKind } from './finding.ts';
import { ctFull } from './findings/ct-full.ts';
import { ctUdpStale } from './findings/ct-udp-stale.ts';
import { dataNodeMissing } from './findings/data-node-missing.ts';
import { dataUnread } from './findings/data-unread.ts';
import { dataUnparsed } from './findings/data-unparsed.ts';
import { dnsDown } from './findings/dns-down.ts';
import { dnsNxdomain } from './findings/dns-nxdomain.ts';
import { dnsPolicy } from './findings/dns-policy.ts';
import { dnsSearch } from './findings/dns-search.ts';
import { dnsServer } from './findings/dns-server.ts';
import { dnsSrv } from './findings/dns-srv.ts';
import { dnsWrongIp } from './findings/dns-wrong-ip.ts';
import { epsAllNotReady } from './findings/eps-all-notready.ts';
import { epsEmpty } from './findings/eps-empty.ts';
import { epsTerminatingOnly } from './findings/eps-terminating-only.ts';
import { kpUnhealthy } from './findings/kp-unhealthy.ts';
import { probeFailNode } from './findings/probe-fail-node.ts';
import { probeFailPod } from './findings/probe-fail-pod.ts';
import { probeFailRules } from './findings/probe-fail-rules.ts';
import { ruleEpMissing } from './findings/rule-ep-missing.ts';
import { ruleEpStale } from './findings/rule-ep-stale.ts';
import { ruleRejectLive } from './findings/rule-reject-live.ts';
import { ruleSvcMissing } from './findings/rule-svc-missing.ts';
import { svcNotProxied } from './findings/svc-not-proxied.ts';
import { svcTargetPortClosed } from './findings/svc-targetport-closed.ts';

export const catalogue: readonly FindingKind[] = [
  svcNotProxied,
  svcTargetPortClosed,
  epsEmpty,
  epsAllNotReady,
  epsTerminatingOnly,
  dnsDown,
  dnsServer,
  dnsNxdomain,
  dnsWrongIp,
  dnsSrv,
  dnsSearch,
  dnsPolicy,
  kpUnhealthy,
  ruleSvcMissing,
  ruleRejectLive,
  ruleEpMissing,
  ruleEpStale,
  ctUdpStale,
  ctFull,
  probeFailRules,
  probeFailPod,
  probeFailNode,
  dataNodeMissing,
  dataUnread,
  dataUnparsed,
];
