/** Every kind of finding, in the order in which they are decided and shown. */
import type { FindingKind } from './finding.ts';
import { ctDrop } from './findings/ct-drop.ts';
import { ctFull } from './findings/ct-full.ts';
import { ctInvalid } from './findings/ct-invalid.ts';
import { ctTcpEstablishedGone } from './findings/ct-tcp-established-gone.ts';
import { ctTcpSyn } from './findings/ct-tcp-syn.ts';
import { ctUdpNoEp } from './findings/ct-udp-noep.ts';
import { ctUdpStale } from './findings/ct-udp-stale.ts';
import { ctUdpUnnatted } from './findings/ct-udp-unnatted.ts';
import { ctUnrepliedFlood } from './findings/ct-unreplied-flood.ts';
import { dataNodeMissing } from './findings/data-node-missing.ts';
import { dataTorn } from './findings/data-torn.ts';
import { dataTruncated } from './findings/data-truncated.ts';
import { dataUnparsed } from './findings/data-unparsed.ts';
import { dataUnread } from './findings/data-unread.ts';
import { dnsCtRace } from './findings/dns-ct-race.ts';
import { dnsDown } from './findings/dns-down.ts';
import { dnsNxdomain } from './findings/dns-nxdomain.ts';
import { dnsWrongIp } from './findings/dns-wrong-ip.ts';
import { epsAllNotReady } from './findings/eps-all-notready.ts';
import { epsEmpty } from './findings/eps-empty.ts';
import { epsTerminatingOnly } from './findings/eps-terminating-only.ts';
import { hcnp } from './findings/hcnp.ts';
import { kpAbsent } from './findings/kp-absent.ts';
import { kpApiErrors } from './findings/kp-api-errors.ts';
import { kpDetectLocalNone } from './findings/kp-detectlocal-none.ts';
import { kpDetectLocal } from './findings/kp-detectlocal.ts';
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
import { latClock } from './findings/lat-clock.ts';
import { latLaggard } from './findings/lat-laggard.ts';
import { latNever } from './findings/lat-never.ts';
import { latSlow } from './findings/lat-slow.ts';
import { ruleEpMissing } from './findings/rule-ep-missing.ts';
import { ruleEpStale } from './findings/rule-ep-stale.ts';
import { ruleNodePortTaken } from './findings/rule-nodeport-taken.ts';
import { ruleRejectLive } from './findings/rule-reject-live.ts';
import { ruleSvcMissing } from './findings/rule-svc-missing.ts';
import { svcNotProxied } from './findings/svc-not-proxied.ts';
import { sysBridgeNf } from './findings/sys-bridge-nf.ts';
import { sysCtMax } from './findings/sys-ct-max.ts';
import { sysForward } from './findings/sys-forward.ts';
import { sysLiberal } from './findings/sys-liberal.ts';
import { sysLocalnet } from './findings/sys-localnet.ts';
import { sysRpFilter } from './findings/sys-rpfilter.ts';

export const catalogue: readonly FindingKind[] = [
  svcNotProxied,
  epsEmpty,
  epsAllNotReady,
  epsTerminatingOnly,
  dnsDown,
  dnsNxdomain,
  dnsWrongIp,
  dnsCtRace,
  kpReplaced,
  kpAbsent,
  kpNoAnswer,
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
  ruleSvcMissing,
  ruleRejectLive,
  ruleEpMissing,
  ruleEpStale,
  ruleNodePortTaken,
  ctUdpStale,
  ctUdpNoEp,
  ctUdpUnnatted,
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
  hcnp,
  latNever,
  latSlow,
  latLaggard,
  latClock,
  dataNodeMissing,
  dataUnread,
  dataUnparsed,
  dataTorn,
  dataTruncated,
];
