/** The body of each view. */
import type { LiveState } from '../state/live-state.ts';
import type { BodyState, BodyOptions, Body } from './body.ts';
import { walkBody } from './walk.ts';
import { timelineBody } from './timeline.ts';
import { rulesBody } from './rules.ts';
import { pathBody } from './path.ts';
import { nodesBody } from './nodes.ts';
import { logsBody } from './logs.ts';
import { findingsBody } from './findings.ts';
import { conntrackBody } from './conntrack.ts';

export function bodyOf(state: BodyState, options: BodyOptions): Body {
  return bodies[state.view](state, options);
}

const bodies: Readonly<Record<LiveState['view'], (state: BodyState, options: BodyOptions) => Body>> = {
  path: pathBody,
  nodes: nodesBody,
  rules: rulesBody,
  conntrack: conntrackBody,
  findings: findingsBody,
  timeline: timelineBody,
  walk: walkBody,
  logs: logsBody,
};
