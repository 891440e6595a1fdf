/** Every kind of finding, in the order in which they are decided and shown. */
import type { FindingKind, Topic } from './checks/finding.ts';
import { ctDrop } from './findings/ct-drop.ts';
import { ctFull } from './findings/ct-full.ts';
import { ctIpReused } from './findings/ct-ip-reused.ts';
import { ctInvalid } from './findings/ct-invalid.ts';
import { ctTcpEstablishedGone } from './findings/ct-tcp-established-gone.ts';
import { ctTcpSyn } from './findings/ct-tcp-syn.ts';
import { ctTcpUnanswered } from './findings/ct-tcp-unanswered.ts';
import { ctUdpNoEp } from './findings/ct-udp-noep.ts';
import { ctUdpStale } from './findings/ct-udp-stale.ts';
import { ctUdpUnnatted } from './findings/ct-udp-unnatted.ts';
import { ctUnrepliedFlood } from './findings/ct-unreplied-flood.ts';
import { dataApiUnread } from './findings/data-api-unread.ts';
import { dataLimited } from './findings/data-limited.ts';
import { dataNodeMissing } from './findings/data-node-missing.ts';
import { dataTorn } from './findings/data-torn.ts';
import { dataTruncated } from './findings/data-truncated.ts';
import { dataUnparsed } from './findings/data-unparsed.ts';
import { dataUnread } from './findings/data-unread.ts';
import { dnsCtRace } from './findings/dns-ct-race.ts';
import { dnsDown } from './findings/dns-down.ts';
import { dnsNxdomain } from './findings/dns-nxdomain.ts';
import { dnsPolicy } from './findings/dns-policy.ts';
import { dnsSearch } from './findings/dns-search.ts';
import { dnsServer } from './findings/dns-server.ts';
import { dnsSrv } from './findings/dns-srv.ts';
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
import { hcnp } from './findings/hcnp.ts';
import { kpAbsent } from './findings/kp-absent.ts';
import { kpApiErrors } from './findings/kp-api-errors.ts';
import { kpDetectLocal } from './findings/kp-detectlocal.ts';
import { kpDetectLocalNone } from './findings/kp-detectlocal-none.ts';
import { kpFullRestores } from './findings/kp-full-restores.ts';
import { kpHostname } from './findings/kp-hostname.ts';
import { kpMasqAll } from './findings/kp-masqall.ts';
import { kpModeLeftover } from './findings/kp-mode-leftover.ts';
import { kpModeMixed } from './findings/kp-mode-mixed.ts';
import { kpNoAnswer } from './findings/kp-no-answer.ts';
import { kpNodePortAddr } from './findings/kp-nodeport-addr.ts';
import { kpReplaced } from './findings/kp-replaced.ts';
import { kpRestoreFail } from './findings/kp-restore-fail.ts';
import { kpSyncSlow } from './findings/kp-sync-slow.ts';
import { kpSyncStale } from './findings/kp-sync-stale.ts';
import { kpUnhealthy } from './findings/kp-unhealthy.ts';
import { ipvsLinger } from './findings/ipvs-linger.ts';
import { ipvsNoVip } from './findings/ipvs-no-vip.ts';
import { ipvsReuse } from './findings/ipvs-reuse.ts';
import { ipvsRsMissing } from './findings/ipvs-rs-missing.ts';
import { ipvsRsStale } from './findings/ipvs-rs-stale.ts';
import { ipvsVsMissing } from './findings/ipvs-vs-missing.ts';
import { ipvsW0 } from './findings/ipvs-w0.ts';
import { ruleForeignUnknown } from './findings/rule-foreign-unknown.ts';
import { ruleForeign } from './findings/rule-foreign.ts';
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
import { latClock } from './findings/lat-clock.ts';
import { latLaggard } from './findings/lat-laggard.ts';
import { latNever } from './findings/lat-never.ts';
import { latSlow } from './findings/lat-slow.ts';
import { nodeGone } from './findings/node-gone.ts';
import { nodeOutlier } from './findings/node-outlier.ts';
import { nodeNotReady } from './findings/node-notready.ts';
import { npDeny } from './findings/np-deny.ts';
import { npEgress } from './findings/np-egress.ts';
import { npEgressDns } from './findings/np-egress-dns.ts';
import { npLimits } from './findings/np-limits.ts';
import { podNoDrain } from './findings/pod-no-drain.ts';
import { podNotReady } from './findings/pod-notready.ts';
import { podRestarts } from './findings/pod-restarts.ts';
import { probeFailClient } from './findings/probe-fail-client.ts';
import { probeFailNode } from './findings/probe-fail-node.ts';
import { probeFailPath } from './findings/probe-fail-path.ts';
import { probeFailPod } from './findings/probe-fail-pod.ts';
import { probeFailRules } from './findings/probe-fail-rules.ts';
import { probeRefused } from './findings/probe-refused.ts';
import { ruleEpMissing } from './findings/rule-ep-missing.ts';
import { ruleEpStale } from './findings/rule-ep-stale.ts';
import { ruleNodePortTaken } from './findings/rule-nodeport-taken.ts';
import { ruleRejectLive } from './findings/rule-reject-live.ts';
import { ruleSvcMissing } from './findings/rule-svc-missing.ts';
import { svcAffinityStuck } from './findings/svc-affinity-stuck.ts';
import { svcExternalIpConflict } from './findings/svc-external-ip-conflict.ts';
import { svcExternalIpMany } from './findings/svc-external-ip-many.ts';
import { svcExternalIpShared } from './findings/svc-external-ip-shared.ts';
import { svcFamily } from './findings/svc-family.ts';
import { svcLbPending } from './findings/svc-lb-pending.ts';
import { svcLbRanges } from './findings/svc-lb-ranges.ts';
import { svcNoSelector } from './findings/svc-no-selector.ts';
import { svcNotProxied } from './findings/svc-not-proxied.ts';
import { svcMixedWorkloads } from './findings/svc-mixed-workloads.ts';
import { svcPortUndefined } from './findings/svc-port-undefined.ts';
import { svcProto } from './findings/svc-proto.ts';
import { svcSelectorNoMatch } from './findings/svc-selector-nomatch.ts';
import { svcTargetPortClosed } from './findings/svc-targetport-closed.ts';
import { svcTargetPortName } from './findings/svc-targetport-name.ts';
import { svcTargetPortPartial } from './findings/svc-targetport-partial.ts';
import { svcTargetPortUndeclared } from './findings/svc-targetport-undeclared.ts';
import { sysBridgeNf } from './findings/sys-bridge-nf.ts';
import { sysCtMax } from './findings/sys-ct-max.ts';
import { sysForward } from './findings/sys-forward.ts';
import { sysLiberal } from './findings/sys-liberal.ts';
import { sysLocalnet } from './findings/sys-localnet.ts';
import { sysPortRange } from './findings/sys-port-range.ts';
import { sysRpFilter } from './findings/sys-rpfilter.ts';

export const catalogue: readonly FindingKind[] = [
  svcNotProxied,
  svcSelectorNoMatch,
  svcNoSelector,
  svcTargetPortName,
  svcTargetPortPartial,
  svcTargetPortUndeclared,
  svcTargetPortClosed,
  svcMixedWorkloads,
  svcProto,
  svcPortUndefined,
  svcLbPending,
  svcLbRanges,
  svcExternalIpConflict,
  svcExternalIpShared,
  svcExternalIpMany,
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
  dnsServer,
  dnsNxdomain,
  dnsWrongIp,
  dnsCtRace,
  kpReplaced,
  kpAbsent,
  kpNoAnswer,
  dnsSrv,
  dnsSearch,
  dnsPolicy,
  kpUnhealthy,
  kpSyncStale,
  kpRestoreFail,
  kpFullRestores,
  kpSyncSlow,
  kpApiErrors,
  kpModeMixed,
  kpModeLeftover,
  kpHostname,
  kpDetectLocal,
  kpDetectLocalNone,
  kpNodePortAddr,
  kpMasqAll,
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
  svcAffinityStuck,
  ruleNoMasq,
  ruleNoHairpinMasq,
  ruleOrphan,
  ruleLegacyNft,
  ruleForeign,
  ruleForeignUnknown,
  ipvsVsMissing,
  ipvsNoVip,
  ipvsRsMissing,
  ipvsRsStale,
  ipvsW0,
  ipvsLinger,
  ipvsReuse,
  ruleNodePortTaken,
  ctUdpStale,
  ctUdpNoEp,
  ctIpReused,
  ctUdpUnnatted,
  ctTcpSyn,
  ctTcpUnanswered,
  ctTcpEstablishedGone,
  ctUnrepliedFlood,
  ctFull,
  ctDrop,
  ctInvalid,
  sysForward,
  sysBridgeNf,
  sysRpFilter,
  sysCtMax,
  sysLiberal,
  sysLocalnet,
  sysPortRange,
  hcnp,
  latNever,
  latSlow,
  latLaggard,
  latClock,
  probeFailRules,
  probeFailPod,
  probeFailNode,
  probeFailPath,
  probeFailClient,
  probeRefused,
  dataNodeMissing,
  dataUnread,
  dataApiUnread,
  dataLimited,
  dataUnparsed,
  dataTorn,
  nodeOutlier,
  dataTruncated,
];

const kindsById: ReadonlyMap<string, FindingKind> = new Map(catalogue.map((kind) => [kind.id, kind]));

/** @returns undefined for a finding of another version that this one does not know */
export function topicOf(id: string): Topic | undefined {
  return kindsById.get(id)?.topic;
}

/** Whether a second look cannot refute the finding (FindingKind.isLasting). */
export function isLasting(id: string): boolean {
  return kindsById.get(id)?.isLasting === true;
}
