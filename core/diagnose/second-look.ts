/**
 * Which findings are looked for a second time before anybody is told: a lost packet, a busy moment, an object that is
 * being changed or deleted right now can make what was read untrue. What is true is found again a moment later.
 */
import { findingKey } from '../status-changes.ts';
import type { FindingStatus } from '../service-trace.ts';
import type { FindingKind } from './finding.ts';
import { ctDrop } from './findings/ct-drop.ts';
import { ctFull } from './findings/ct-full.ts';
import { ctInvalid } from './findings/ct-invalid.ts';
import { ctTcpEstablishedGone } from './findings/ct-tcp-established-gone.ts';
import { ctTcpSyn } from './findings/ct-tcp-syn.ts';
import { ctUnrepliedFlood } from './findings/ct-unreplied-flood.ts';
import { dataApiUnread } from './findings/data-api-unread.ts';
import { dataLimited } from './findings/data-limited.ts';
import { dataNodeMissing } from './findings/data-node-missing.ts';
import { dataTorn } from './findings/data-torn.ts';
import { dataTruncated } from './findings/data-truncated.ts';
import { dataUnparsed } from './findings/data-unparsed.ts';
import { dnsCtRace } from './findings/dns-ct-race.ts';
import { dnsPolicy } from './findings/dns-policy.ts';
import { dnsSearch } from './findings/dns-search.ts';
import { epsHintsZoneEmpty } from './findings/eps-hints-zone-empty.ts';
import { epsOversize } from './findings/eps-oversize.ts';
import { epsPublishNotReady } from './findings/eps-publish-notready.ts';
import { ipvsLinger } from './findings/ipvs-linger.ts';
import { kpApiErrors } from './findings/kp-api-errors.ts';
import { kpDetectLocalNone } from './findings/kp-detectlocal-none.ts';
import { kpDetectLocal } from './findings/kp-detectlocal.ts';
import { kpFullRestores } from './findings/kp-full-restores.ts';
import { kpHostname } from './findings/kp-hostname.ts';
import { kpMasqAll } from './findings/kp-masqall.ts';
import { kpModeLeftover } from './findings/kp-mode-leftover.ts';
import { kpModeMixed } from './findings/kp-mode-mixed.ts';
import { kpNodePortAddr } from './findings/kp-nodeport-addr.ts';
import { kpReplaced } from './findings/kp-replaced.ts';
import { kpRestoreFail } from './findings/kp-restore-fail.ts';
import { kpSyncSlow } from './findings/kp-sync-slow.ts';
import { kpSyncStale } from './findings/kp-sync-stale.ts';
import { latClock } from './findings/lat-clock.ts';
import { latLaggard } from './findings/lat-laggard.ts';
import { latSlow } from './findings/lat-slow.ts';
import { nodeNotReady } from './findings/node-notready.ts';
import { npDeny } from './findings/np-deny.ts';
import { npEgressDns } from './findings/np-egress-dns.ts';
import { npEgress } from './findings/np-egress.ts';
import { npLimits } from './findings/np-limits.ts';
import { podNoDrain } from './findings/pod-no-drain.ts';
import { podNotReady } from './findings/pod-notready.ts';
import { podRestarts } from './findings/pod-restarts.ts';
import { probeRefused } from './findings/probe-refused.ts';
import { ruleForeignUnknown } from './findings/rule-foreign-unknown.ts';
import { ruleLocalDrop } from './findings/rule-local-drop.ts';
import { svcExternalIpConflict } from './findings/svc-external-ip-conflict.ts';
import { svcExternalIpMany } from './findings/svc-external-ip-many.ts';
import { svcExternalIpShared } from './findings/svc-external-ip-shared.ts';
import { svcLbPending } from './findings/svc-lb-pending.ts';
import { svcLbRanges } from './findings/svc-lb-ranges.ts';
import { svcNotProxied } from './findings/svc-not-proxied.ts';
import { svcPortUndefined } from './findings/svc-port-undefined.ts';
import { svcProto } from './findings/svc-proto.ts';
import { sysBridgeNf } from './findings/sys-bridge-nf.ts';
import { sysCtMax } from './findings/sys-ct-max.ts';
import { sysForward } from './findings/sys-forward.ts';
import { sysLiberal } from './findings/sys-liberal.ts';
import { sysLocalnet } from './findings/sys-localnet.ts';
import { sysRpFilter } from './findings/sys-rpfilter.ts';

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
