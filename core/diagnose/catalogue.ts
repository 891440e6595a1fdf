/** Every kind of finding, in the order in which they are decided and shown. */
import type { FindingKind } from './finding.ts';
import { ctFull } from './findings/ct-full.ts';
import { ctUdpStale } from './findings/ct-udp-stale.ts';
import { dataApiUnread } from './findings/data-api-unread.ts';
import { dataNodeMissing } from './findings/data-node-missing.ts';
import { dataUnparsed } from './findings/data-unparsed.ts';
import { dataUnread } from './findings/data-unread.ts';
import { dnsDown } from './findings/dns-down.ts';
import { dnsNxdomain } from './findings/dns-nxdomain.ts';
import { dnsWrongIp } from './findings/dns-wrong-ip.ts';
import { epsAllNotReady } from './findings/eps-all-notready.ts';
import { epsDuplicate } from './findings/eps-duplicate.ts';
import { epsEmpty } from './findings/eps-empty.ts';
import { epsHintsPartial } from './findings/eps-hints-partial.ts';
import { epsHintsZoneEmpty } from './findings/eps-hints-zone-empty.ts';
import { epsLegacyDiffers } from './findings/eps-legacy-differs.ts';
import { epsMirrorLeftover } from './findings/eps-mirror-leftover.ts';
import { epsMissing } from './findings/eps-missing.ts';
import { epsOversize } from './findings/eps-oversize.ts';
import { epsPublishNotReady } from './findings/eps-publish-notready.ts';
import { epsReadyDiffers } from './findings/eps-ready-differs.ts';
import { epsStale } from './findings/eps-stale.ts';
import { epsTerminatingOnly } from './findings/eps-terminating-only.ts';
import { kpUnhealthy } from './findings/kp-unhealthy.ts';
import { ipvsLinger } from './findings/ipvs-linger.ts';
import { ipvsRsMissing } from './findings/ipvs-rs-missing.ts';
import { ipvsRsStale } from './findings/ipvs-rs-stale.ts';
import { ipvsVsMissing } from './findings/ipvs-vs-missing.ts';
import { ipvsW0 } from './findings/ipvs-w0.ts';
import { ruleLegacyNft } from './findings/rule-legacy-nft.ts';
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
import { nodeGone } from './findings/node-gone.ts';
import { nodeNotReady } from './findings/node-notready.ts';
import { npDeny } from './findings/np-deny.ts';
import { npEgressDns } from './findings/np-egress-dns.ts';
import { npEgress } from './findings/np-egress.ts';
import { npLimits } from './findings/np-limits.ts';
import { podNoDrain } from './findings/pod-no-drain.ts';
import { podNotReady } from './findings/pod-notready.ts';
import { podRestarts } from './findings/pod-restarts.ts';
import { ruleEpMissing } from './findings/rule-ep-missing.ts';
import { ruleEpStale } from './findings/rule-ep-stale.ts';
import { ruleRejectLive } from './findings/rule-reject-live.ts';
import { ruleSvcMissing } from './findings/rule-svc-missing.ts';
import { svcFamily } from './findings/svc-family.ts';
import { svcLbPending } from './findings/svc-lb-pending.ts';
import { svcLbRanges } from './findings/svc-lb-ranges.ts';
import { svcNoSelector } from './findings/svc-no-selector.ts';
import { svcNotProxied } from './findings/svc-not-proxied.ts';
import { svcPortUndefined } from './findings/svc-port-undefined.ts';
import { svcProto } from './findings/svc-proto.ts';
import { svcSelectorNoMatch } from './findings/svc-selector-nomatch.ts';
import { svcTargetPortName } from './findings/svc-targetport-name.ts';
import { svcTargetPortPartial } from './findings/svc-targetport-partial.ts';

export const catalogue: readonly FindingKind[] = [
  svcNotProxied,
  svcSelectorNoMatch,
  svcNoSelector,
  svcTargetPortName,
  svcTargetPortPartial,
  svcProto,
  svcPortUndefined,
  svcLbPending,
  svcLbRanges,
  svcFamily,
  epsEmpty,
  epsAllNotReady,
  epsTerminatingOnly,
  epsStale,
  epsMissing,
  epsReadyDiffers,
  epsDuplicate,
  epsMirrorLeftover,
  epsPublishNotReady,
  epsHintsPartial,
  epsHintsZoneEmpty,
  epsOversize,
  epsLegacyDiffers,
  podNotReady,
  podRestarts,
  podNoDrain,
  nodeNotReady,
  nodeGone,
  npDeny,
  npEgress,
  npEgressDns,
  npLimits,
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
  ruleLegacyNft,
  ipvsVsMissing,
  ipvsRsMissing,
  ipvsRsStale,
  ipvsW0,
  ipvsLinger,
  ctUdpStale,
  ctFull,
  dataNodeMissing,
  dataUnread,
  dataApiUnread,
  dataUnparsed,
];
