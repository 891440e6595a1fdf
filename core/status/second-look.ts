/**
 * Which findings are looked for a second time before anybody is told: a lost packet, a busy moment, an object that is
 * being changed or deleted right now can make what was read untrue. What is true is found again a moment later.
 */
import { findingKey } from './changes.ts';
import type { FindingStatus } from '../api/service-trace.ts';
import type { FindingKind } from '../diagnose/checks/finding.ts';
import { ctDrop } from '../diagnose/findings/ct-drop.ts';
import { ctFull } from '../diagnose/findings/ct-full.ts';
import { ctInvalid } from '../diagnose/findings/ct-invalid.ts';
import { ctTcpEstablishedGone } from '../diagnose/findings/ct-tcp-established-gone.ts';
import { ctTcpSyn } from '../diagnose/findings/ct-tcp-syn.ts';
import { ctUnrepliedFlood } from '../diagnose/findings/ct-unreplied-flood.ts';
import { dataApiUnread } from '../diagnose/findings/data-api-unread.ts';
import { dataLimited } from '../diagnose/findings/data-limited.ts';
import { dataNodeMissing } from '../diagnose/findings/data-node-missing.ts';
import { dataTorn } from '../diagnose/findings/data-torn.ts';
import { dataTruncated } from '../diagnose/findings/data-truncated.ts';
import { dataUnparsed } from '../diagnose/findings/data-unparsed.ts';
import { dnsCtRace } from '../diagnose/findings/dns-ct-race.ts';
import { dnsPolicy } from '../diagnose/findings/dns-policy.ts';
import { dnsSearch } from '../diagnose/findings/dns-search.ts';
import { epsHintsZoneEmpty } from '../diagnose/findings/eps-hints-zone-empty.ts';
import { epsOversize } from '../diagnose/findings/eps-oversize.ts';
import { epsPublishNotReady } from '../diagnose/findings/eps-publish-notready.ts';
import { ipvsLinger } from '../diagnose/findings/ipvs-linger.ts';
import { kpApiErrors } from '../diagnose/findings/kp-api-errors.ts';
import { kpDetectLocalNone } from '../diagnose/findings/kp-detectlocal-none.ts';
import { kpDetectLocal } from '../diagnose/findings/kp-detectlocal.ts';
import { kpFullRestores } from '../diagnose/findings/kp-full-restores.ts';
import { kpHostname } from '../diagnose/findings/kp-hostname.ts';
import { kpMasqAll } from '../diagnose/findings/kp-masqall.ts';
import { kpModeLeftover } from '../diagnose/findings/kp-mode-leftover.ts';
import { kpModeMixed } from '../diagnose/findings/kp-mode-mixed.ts';
import { kpNodePortAddr } from '../diagnose/findings/kp-nodeport-addr.ts';
import { kpReplaced } from '../diagnose/findings/kp-replaced.ts';
import { kpRestoreFail } from '../diagnose/findings/kp-restore-fail.ts';
import { kpSyncSlow } from '../diagnose/findings/kp-sync-slow.ts';
import { kpSyncStale } from '../diagnose/findings/kp-sync-stale.ts';
import { latClock } from '../diagnose/findings/lat-clock.ts';
import { latLaggard } from '../diagnose/findings/lat-laggard.ts';
import { latSlow } from '../diagnose/findings/lat-slow.ts';
import { nodeNotReady } from '../diagnose/findings/node-notready.ts';
import { npDeny } from '../diagnose/findings/np-deny.ts';
import { npEgressDns } from '../diagnose/findings/np-egress-dns.ts';
import { npEgress } from '../diagnose/findings/np-egress.ts';
import { npLimits } from '../diagnose/findings/np-limits.ts';
import { podNoDrain } from '../diagnose/findings/pod-no-drain.ts';
import { podNotReady } from '../diagnose/findings/pod-notready.ts';
import { podRestarts } from '../diagnose/findings/pod-restarts.ts';
import { probeRefused } from '../diagnose/findings/probe-refused.ts';
import { ruleForeignUnknown } from '../diagnose/findings/rule-foreign-unknown.ts';
import { ruleLocalDrop } from '../diagnose/findings/rule-local-drop.ts';
import { svcExternalIpConflict } from '../diagnose/findings/svc-external-ip-conflict.ts';
import { svcExternalIpMany } from '../diagnose/findings/svc-external-ip-many.ts';
import { svcExternalIpShared } from '../diagnose/findings/svc-external-ip-shared.ts';
import { svcLbPending } from '../diagnose/findings/svc-lb-pending.ts';
import { svcLbRanges } from '../diagnose/findings/svc-lb-ranges.ts';
import { svcNotProxied } from '../diagnose/findings/svc-not-proxied.ts';
import { svcPortUndefined } from '../diagnose/findings/svc-port-undefined.ts';
import { svcProto } from '../diagnose/findings/svc-proto.ts';
import { sysBridgeNf } from '../diagnose/findings/sys-bridge-nf.ts';
import { sysCtMax } from '../diagnose/findings/sys-ct-max.ts';
import { sysForward } from '../diagnose/findings/sys-forward.ts';
import { sysLiberal } from '../diagnose/findings/sys-liberal.ts';
import { sysLocalnet } from '../diagnose/findings/sys-localnet.ts';
import { sysRpFilter } from '../diagnose/findings/sys-rpfilter.ts';

/** Kinds that a second look cannot refute: what a spec, a setting or a condition says, what was counted, and what has a long grace of its own. */
const lasting: readonly FindingKind[] = [
  svcNotProxied,
  svcExternalIpConflict,
  svcExternalIpShared,
  svcExternalIpMany,
  svcProto,
  svcLbPending,
  svcLbRanges,
  svcPortUndefined,
  epsHintsZoneEmpty,
  epsOversize,
  epsPublishNotReady,
  podNotReady,
  podRestarts,
  podNoDrain,
  nodeNotReady,
  npDeny,
  npEgress,
  npEgressDns,
  npLimits,
  dnsCtRace,
  dnsPolicy,
  dnsSearch,
  kpReplaced,
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
  ruleLocalDrop,
  ruleForeignUnknown,
  ipvsLinger,
  ctTcpSyn,
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
  latSlow,
  latLaggard,
  latClock,
  probeRefused,
  dataNodeMissing,
  dataApiUnread,
  dataLimited,
  dataUnparsed,
  dataTorn,
  dataTruncated,
];
const lastingIds: ReadonlySet<string> = new Set(lasting.map(({ id }) => id));

/** Those that have to be looked for again: of a kind that a moment can cause, and not found before. */
export function unconfirmed(findings: readonly FindingStatus[], before: readonly FindingStatus[]): FindingStatus[] {
  const known = new Set(before.map(findingKey));
  return findings.filter((finding) => !lastingIds.has(finding.id) && !known.has(findingKey(finding)));
}
