/** Rules that do not keep to loadBalancerSourceRanges. */
import { isFirewallChain } from '../../kube-proxy/chain-kinds.ts';
import { desiredTargets } from '../../api/desired-targets.ts';
import type { DesiredService } from '../../api/service.ts';
import { familyOf } from '../../net/family.ts';
import { rangeDifference } from '../../net/address-ranges.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import type { FrontendProgram } from '../../program/program.ts';
import { outsideClients } from '../../program/client-walks.ts';
import type { Walked } from './walked-frontend.ts';

/** loadBalancerSourceRanges, which hold for load balancer IPs alone. */
export function rangeFaults(
  { drift, destination, chains }: Walked,
  rules: NodeRules | undefined,
  desired: DesiredService,
): string[] {
  const { frontend } = drift;
  if (
    frontend.frontend !== 'LoadBalancerIP' ||
    rules === undefined ||
    destination === undefined ||
    (frontend.verdict !== 'DNAT' && frontend.verdict !== 'DROP' && frontend.verdict !== 'None')
  )
    return [];
  // Without endpoints the iptables mode has no rules of ranges, for it refuses all; nor has it where only local ones are missing.
  if (
    desiredTargets(desired, frontend, { node: '', traffic: 'internal' }).length === 0 &&
    drift.known.every(({ ready }) => !ready)
  )
    return [];
  const everything = frontend.family === 'IPv4' ? ['0.0.0.0/0'] : ['::/0'];
  const spec = (desired.service.loadBalancerSourceRanges ?? [])
    .map((range) => range.trim())
    .filter((range) => familyOf(range) === frontend.family);
  const have = frontend.sourceRanges?.value;
  const isDropping = isDroppedByFirewall(frontend);
  // Dropped as every packet of the address that no other rule takes: its own rule is not there.
  if (have === undefined && frontend.verdict === 'DROP' && (!isDropping || chains.length === 0)) return [];
  const { onlyOne: missing, onlyOther: extra } = rangeDifference(
    frontend.family,
    spec.length === 0 ? everything : spec,
    have ?? (isDropping ? [] : everything),
  );
  // Where the node's own addresses are among the ranges, kube-proxy lets the load balancer IP itself in: the node uses it as its source.
  const foreign = extra.filter((range) => range !== destination);
  if (have === undefined && spec.length > 0 && !isDropping)
    return frontend.verdict === 'None'
      ? []
      : [`every client may come in, where the Service lets in ${spec.join(', ')} alone`];
  const faults = [
    ...(missing.length === 0 ? [] : [`${missing.join(', ')} may not come in, and should`]),
    ...(foreign.length === 0 ? [] : [`${foreign.join(', ')} may come in, and should not`]),
  ];
  const outsideClient = outsideClients[frontend.family].find(
    (client) => rangeDifference(frontend.family, [client], [...spec, ...(have ?? [])]).onlyOne.length > 0,
  );
  if (faults.length > 0 || spec.length === 0 || outsideClient === undefined || frontend.verdict !== 'DNAT')
    return faults;
  const leaves = rules.walk({
    source: outsideClient,
    destination,
    destinationPort: frontend.port,
    protocol: frontend.protocol,
    entersAt: 'PREROUTING',
  }).leaves;
  return leaves.every(({ verdict }) => verdict === 'DROP' || verdict === 'REJECT')
    ? []
    : [`packets of ${outsideClient}, which is in no range, are not dropped`];
}

/** Where packets from outside of the source ranges are dropped. */
export function isDroppedByFirewall({ verdict, refusedBy }: FrontendProgram): boolean {
  return verdict === 'DROP' && refusedBy !== undefined && isFirewallChain(refusedBy.chain);
}
