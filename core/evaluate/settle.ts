/** What a walk says for certain: what depends on something that is not known is UNKNOWN, whatever its result. */
import { hostPort } from '../net/address.ts';
import { withoutIdle } from './assume.ts';
import { shareOf } from './share.ts';
import { assuming, pathOf, type Leaf, type Step, type WalkResult } from './walk.ts';

/**
 * The same walk without assumptions: branches that fare the same whatever is assumed are one, and all others are one
 * UNKNOWN. The steps are those of branches that assume nothing, and of the others up to what is not known.
 */
export function settle({ leaves, steps, unknown, assumed }: WalkResult): WalkResult {
  const merged = withoutIdle(leaves, outcomeOf, assuming);
  const known = merged.filter((leaf) => leaf.assumed === undefined);
  const open = merged.find((leaf) => leaf.assumed !== undefined);
  const share = known.reduce((sum, { probability }) => sum + probability, 0);
  const scheduled =
    shareOf(known) === undefined ? known.find((leaf) => leaf.scheduled !== undefined)?.scheduled : undefined;
  const rest: Leaf = {
    probability: Math.max(0, 1 - share),
    ...(scheduled === undefined
      ? {}
      : { scheduled: { by: scheduled.by, server: scheduled.server, choices: scheduled.choices } }),
    verdict: 'UNKNOWN',
    masquerade: false,
    path: open === undefined ? [] : knownPath(open),
  };
  const met = new Set([...known, ...merged].flatMap(knownPath));
  const left = steps.filter((step) => met.has(step) || step.isUnknown === true);
  return {
    // Of one branch there is a leaf for each assumption: what is left to 1 is theirs.
    leaves: open === undefined ? known : [...known, rest],
    steps: left,
    outline: left,
    unknown: [...assumed, ...unknown],
    assumed: [],
  };
}

/** Two branches are one where the packet fares the same. */
function outcomeOf({ verdict, dnat, masquerade, probability, scheduled }: Leaf): string {
  const realServer = scheduled?.realServer;
  return [
    verdict,
    dnat?.address ?? '',
    String(dnat?.port ?? ''),
    realServer === undefined ? '' : hostPort(realServer.address, realServer.port),
    String(masquerade),
    probability.toFixed(12),
  ].join(' ');
}

/** Up to the first rule of which something is not known, and with it. */
function knownPath({ assumed, path }: Leaf): readonly Step[] {
  const [first] = assumed ?? [];
  return first === undefined ? path : [...pathOf(first.before), first.step];
}
