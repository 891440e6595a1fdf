/** What a change of the EndpointSlices asks of the rules of nodes. */
import { desiredTargetsByKey, type PortKey, type TargetScope } from '../api/desired-targets.ts';
import type { ExpectedTargetsStatus, ExpectedTargetStatus, EndpointSliceStatus } from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import { present } from '../lib/present.ts';

export interface PlacedNode {
  readonly node: string;
  readonly zone?: string;
}

type Target = ExpectedTargetStatus;

/** Nodes of which the same is asked, together; without names where that is all of them; nodes of which nothing is asked are in no group. */
export function expectedTargets(
  desired: DesiredService,
  {
    before,
    after,
  }: { readonly before: readonly EndpointSliceStatus[]; readonly after: readonly EndpointSliceStatus[] },
  nodes: readonly PlacedNode[],
): ExpectedTargetsStatus[] {
  if (desired.service.notProxied !== undefined) return [];
  const states = { before: { ...desired, endpointSlices: before }, after: { ...desired, endpointSlices: after } };
  const groups = new Map<string, { readonly targets: readonly Target[]; readonly nodes: string[] }>();
  for (const { node, zone } of nodes) {
    const place = { node, ...present({ zone }) };
    const [internal, external] = (['internal', 'external'] as const).map((traffic) =>
      targetsOf(desired, states, { ...place, traffic }),
    );
    const targets = merged(internal ?? [], external ?? []);
    if (targets.length === 0) continue;
    const key = JSON.stringify(targets);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { targets, nodes: [node] });
    else group.nodes.push(node);
  }
  return [...groups.values()].map((group) => ({
    ...(group.nodes.length === nodes.length ? {} : { nodes: group.nodes }),
    targets: [...group.targets],
  }));
}

function targetsOf(
  { service }: DesiredService,
  { before, after }: Record<'before' | 'after', DesiredService>,
  scope: TargetScope,
): Target[] {
  return service.ports.flatMap(({ name, protocol }) =>
    (['IPv4', 'IPv6'] as const).flatMap((family): Target[] => {
      const port: PortKey = { family, protocol, ...present({ portName: name }) };
      const [old, now] = [desiredTargetsByKey(before, port, scope), desiredTargetsByKey(after, port, scope)];
      const of = (targets: typeof old, others: typeof old, isPresent: boolean): Target[] =>
        [...targets]
          .filter(([key]) => !others.has(key))
          .map(([, target]) => ({
            ...present({ portName: name }),
            protocol,
            address: target.address,
            port: target.port,
            present: isPresent,
          }));
      return [...of(now, old, true), ...of(old, now, false)];
    }),
  );
}

/** What both kinds of traffic ask for has no kind. */
function merged(internal: readonly Target[], external: readonly Target[]): Target[] {
  const [inside, outside] = [
    new Set(internal.map((each) => JSON.stringify(each))),
    new Set(external.map((each) => JSON.stringify(each))),
  ];
  return [
    ...internal.map((target) =>
      outside.has(JSON.stringify(target)) ? target : { traffic: 'internal' as const, ...target },
    ),
    ...external
      .filter((target) => !inside.has(JSON.stringify(target)))
      .map((target) => ({ traffic: 'external' as const, ...target })),
  ];
}
