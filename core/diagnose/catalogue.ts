/** Every kind of finding, in the order in which they are decided and shown. */
import type { FindingKind } from './finding.ts';
import { ctFull } from './findings/ct-full.ts';
import { ctUdpStale } from './findings/ct-udp-stale.ts';
import { dataNodeMissing } from './findings/data-node-missing.ts';
import { dataUnread } from './findings/data-unread.ts';
import { dataUnparsed } from './findings/data-unparsed.ts';
import { dnsDown } from './findings/dns-down.ts';
import { dnsNxdomain } from './findings/dns-nxdomain.ts';
import { dnsWrongIp } from './findings/dns-wrong-ip.ts';
import { epsAllNotReady } from './findings/eps-all-notready.ts';
import { epsEmpty } from './findings/eps-empty.ts';
import { epsTerminatingOnly } from './findings/eps-terminating-only.ts';
import { kpUnhealthy } from './findings/kp-unhealthy.ts';
import { ruleAffinity } from './findings/rule-affinity.ts';
import { ruleDnatPort } from './findings/rule-dnat-port.ts';
import { ruleEpDup } from './findings/rule-ep-dup.ts';
import { ruleLocalDrop } from './findings/rule-local-drop.ts';
import { ruleNoHairpinMasq } from './findings/rule-no-hairpin-masq.ts';
import { ruleNoJump } from './findings/rule-no-jump.ts';
import { ruleNoMasq } from './findings/rule-no-masq.ts';
import { ruleNoReject } from './findings/rule-no-reject.ts';
import { ruleNodeport } from './findings/rule-nodeport.ts';
import { ruleOrder } from './findings/rule-order.ts';
import { ruleOrphan } from './findings/rule-orphan.ts';
import { rulePolicy } from './findings/rule-policy.ts';
import { ruleProb } from './findings/rule-prob.ts';
import { ruleRanges } from './findings/rule-ranges.ts';
import { ruleSvcExtra } from './findings/rule-svc-extra.ts';
import { ruleEpMissing } from './findings/rule-ep-missing.ts';
import { ruleEpStale } from './findings/rule-ep-stale.ts';
import { ruleRejectLive } from './findings/rule-reject-live.ts';
import { ruleSvcMissing } from './findings/rule-svc-missing.ts';
import { svcNotProxied } from './findings/svc-not-proxied.ts';

export const catalogue: readonly FindingKind[] = [
  svcNotProxied,
  epsEmpty,
  epsAllNotReady,
  epsTerminatingOnly,
  dnsDown,
  dnsNxdomain,
  dnsWrongIp,
  kpUnhealthy,
  ruleNoJump,
  ruleOrder,
  ruleSvcMissing,
  ruleSvcExtra,
  ruleNodeport,
  ruleRejectLive,
  ruleNoReject,
  rulePolicy,
  ruleLocalDrop,
  ruleRanges,
  ruleEpMissing,
  ruleEpStale,
  ruleEpDup,
  ruleDnatPort,
  ruleProb,
  ruleAffinity,
  ruleNoMasq,
  ruleNoHairpinMasq,
  ruleOrphan,
  ctUdpStale,
  ctFull,
  dataNodeMissing,
  dataUnread,
  dataUnparsed,
];
