/** The state of the live view, and what changes it. No JSX, no keys. */
import type { NodeStatus, ServiceTrace } from '../../core/service-trace.ts';
import type { TraceEvent } from '../source.ts';
import { measureRates, type Rates } from './rates.ts';

export const tabs = ['targets', 'rules', 'conntrack', 'findings'] as const;
export type Tab = (typeof tabs)[number];

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly reason: string; readonly since: number }
  /** The operator does not answer. */
  | { readonly state: 'silent'; readonly reason: string }
  | { readonly state: 'ended'; readonly reason: string };

export interface LiveState {
  readonly origin: string;
  readonly connection: Connection;
  /** The last thing that the user should know, until the next result. */
  readonly notice: string | undefined;
  readonly trace: ServiceTrace | undefined;
  readonly rates: Rates;
  /** By name: nodes come and go. */
  readonly selectedNode: string | undefined;
  readonly tab: Tab;
  /** First line of the detail that is shown. */
  readonly scroll: number;
  readonly isHelpOpen: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export type LiveAction =
  | { readonly type: 'event'; readonly event: TraceEvent; readonly at: number }
  | { readonly type: 'tick'; readonly at: number }
  | { readonly type: 'selectBy'; readonly nodes: number }
  | { readonly type: 'selectFirst' }
  | { readonly type: 'selectLast' }
  | { readonly type: 'showTab'; readonly tab: Tab }
  | { readonly type: 'turnTabs'; readonly by: 1 | -1 }
  /** `last`: the greatest first line that still fills the pane. */
  | { readonly type: 'scrollBy'; readonly lines: number; readonly last: number }
  | { readonly type: 'toggleHelp' }
  | { readonly type: 'closeHelp' };

export function initialState(origin: string, now: number): LiveState {
  return { origin, connection: { state: 'connecting' }, notice: undefined, trace: undefined, rates: new Map(), selectedNode: undefined, tab: 'targets', scroll: 0, isHelpOpen: false, now };
}

export function reduceLive(state: LiveState, action: LiveAction): LiveState {
  switch (action.type) {
    case 'event':
      return reduceEvent({ ...state, now: action.at }, action.event);
    case 'tick':
      return { ...state, now: action.at };
    case 'selectBy':
      return select(state, indexOfSelected(state) + action.nodes);
    case 'selectFirst':
      return select(state, 0);
    case 'selectLast':
      return select(state, nodesOf(state).length - 1);
    case 'showTab':
      return { ...state, tab: action.tab, scroll: 0 };
    case 'turnTabs':
      return { ...state, tab: tabs[(tabs.indexOf(state.tab) + action.by + tabs.length) % tabs.length] ?? 'targets', scroll: 0 };
    case 'scrollBy':
      return { ...state, scroll: Math.max(0, Math.min(state.scroll + action.lines, action.last)) };
    case 'toggleHelp':
      return { ...state, isHelpOpen: !state.isHelpOpen };
    case 'closeHelp':
      return { ...state, isHelpOpen: false };
  }
}

function reduceEvent(state: LiveState, event: TraceEvent): LiveState {
  switch (event.kind) {
    case 'trace': {
      const { trace } = event;
      const names = (trace.status?.nodes ?? []).map(({ name }) => name);
      // A trace that was just created says nothing yet: the connection is there, an answer is not.
      const isAnswered = trace.status !== undefined;
      return {
        ...state,
        trace,
        rates: measureRates(state.rates, state.trace?.status, trace.status),
        selectedNode: state.selectedNode !== undefined && names.includes(state.selectedNode) ? state.selectedNode : names[0],
        connection: isAnswered ? { state: 'live' } : state.connection.state === 'silent' ? state.connection : { state: 'connecting' },
        notice: isAnswered ? undefined : state.notice,
      };
    }
    case 'notice':
      return { ...state, notice: event.message };
    case 'lost':
      return { ...state, connection: { state: 'lost', reason: event.reason, since: state.now } };
    case 'resumed':
      return { ...state, connection: state.trace?.status === undefined ? { state: 'connecting' } : { state: 'live' }, notice: 'connected again' };
    case 'silent':
      return { ...state, connection: { state: 'silent', reason: event.message } };
    case 'ended':
      return { ...state, connection: { state: 'ended', reason: event.reason } };
  }
}

export function nodesOf({ trace }: Pick<LiveState, 'trace'>): readonly NodeStatus[] {
  return trace?.status?.nodes ?? [];
}

export function indexOfSelected(state: Pick<LiveState, 'trace' | 'selectedNode'>): number {
  return Math.max(0, nodesOf(state).findIndex(({ name }) => name === state.selectedNode));
}

export function selectedNode(state: Pick<LiveState, 'trace' | 'selectedNode'>): NodeStatus | undefined {
  return nodesOf(state).find(({ name }) => name === state.selectedNode);
}

function select(state: LiveState, index: number): LiveState {
  const nodes = nodesOf(state);
  const chosen = nodes[Math.max(0, Math.min(index, nodes.length - 1))]?.name;
  if (chosen === state.selectedNode) return state;
  // Findings are those of the whole Service: another node leaves the list where it is.
  return { ...state, selectedNode: chosen, scroll: state.tab === 'findings' ? state.scroll : 0 };
}

/** The first of `size` rows that are shown of `total`, so that `selected` is among them, in the middle where it can be. */
export function windowStart(selected: number, total: number, size: number): number {
  return Math.max(0, Math.min(selected - Math.floor(size / 2), total - size));
}
