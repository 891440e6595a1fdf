/** The state of the live view, and what changes it. No JSX, no keys. */
import type { Origin } from '../../sources/origin.ts';
import type { NodeStatus } from '../../../core/api/service-trace.ts';
import type { StatusChange } from '../../../core/status/changes.ts';
import { visibleText } from '../../../core/lib/visible.ts';
import { viewNames, type ViewName } from '../../cli/request.ts';
import type { TraceEvent } from '../../sources/source.ts';
import { compareWith, nothingShown, type Comparison, type Shown } from './comparison.ts';
import { leavingRows, openedLogs, reduceLogs, type LogsEvent, type LogsState } from './logs-state.ts';
import { nodeSorts, type NodeOrder } from './node-order.ts';

export const views = viewNames;
export type View = ViewName;

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly reason: string; readonly since: number }
  /** The operator does not answer. */
  | { readonly state: 'silent'; readonly reason: string }
  | { readonly state: 'ended'; readonly reason: string };

/** A line that the user types. */
export interface Input {
  /** What it is for: rows are filtered while it is typed, a command or a client is taken at its end. */
  readonly kind: 'filter' | 'command' | 'client';
  readonly text: string;
  /** Of a command: which of the offered ones. */
  readonly chosen: number;
}

/** What happened to the Service, or to the connection to the cluster. */
export type TimelineChange = Omit<StatusChange, 'kind'> & { readonly kind: StatusChange['kind'] | 'link' };

export interface LiveState extends Shown {
  readonly origin: Origin;
  /** What is traced, while no trace shows it: `auth-service in default`. */
  readonly subject: string;
  readonly connection: Connection;
  /** The last thing that the user should know, until the next result. */
  readonly notice: string | undefined;
  /** The result of the user's last action, until the next key. */
  readonly answer: string | undefined;
  /** The newest last; bounded. */
  readonly timeline: readonly TimelineChange[];
  /** By name: nodes come and go. */
  readonly selectedNode: string | undefined;
  /** The user asked for the node, or looked around on it: it stays while others answer. */
  readonly isNodeChosen: boolean;
  readonly view: View;
  /** The views before this one, the last one last: Esc goes back through them. */
  readonly visited: readonly View[];
  /** The chosen row of each view. */
  readonly cursors: Readonly<Partial<Record<View, number>>>;
  /** First line of the detail below the nodes, in the view of the path. */
  readonly scroll: number;
  readonly filters: Readonly<Partial<Record<View, string>>>;
  readonly input: Input | undefined;
  readonly order: NodeOrder;
  /** Nodes with the same program are together. */
  readonly isGrouped: boolean;
  /** Chains whose rules are hidden, and endpoints of grouped entries. */
  readonly folded: ReadonlySet<string>;
  /** conntrack: one row for each backend. */
  readonly isByBackend: boolean;
  /** Absent until their view is shown for the first time. */
  readonly logs: LogsState | undefined;
  /** The pane that says what the chosen row means is shown. */
  readonly isExplained: boolean;
  readonly isHelpOpen: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export type LiveAction =
  /** `comparison`: of a result, where it was worked out already. */
  | { readonly type: 'event'; readonly event: TraceEvent; readonly at: number; readonly comparison?: Comparison }
  | { readonly type: 'tick'; readonly at: number }
  /** `last`: the greatest row there is. */
  | { readonly type: 'moveCursor'; readonly by: number; readonly last: number }
  | { readonly type: 'setCursor'; readonly row: number }
  | { readonly type: 'selectBy'; readonly nodes: number }
  | { readonly type: 'selectNode'; readonly node: string }
  | { readonly type: 'selectFirst' }
  | { readonly type: 'selectLast' }
  | { readonly type: 'show'; readonly view: View }
  | { readonly type: 'turn'; readonly by: 1 | -1 }
  | { readonly type: 'goBack' }
  /** `last`: the greatest first line that still fills the pane. */
  | { readonly type: 'scrollBy'; readonly lines: number; readonly last: number }
  | { readonly type: 'openInput'; readonly kind: Input['kind'] }
  | { readonly type: 'type'; readonly text: string; readonly chosen?: number }
  | { readonly type: 'closeInput'; readonly isKept: boolean }
  | { readonly type: 'sortNext' }
  | { readonly type: 'sortBy'; readonly column: NodeOrder['column'] }
  | { readonly type: 'reverse' }
  | { readonly type: 'toggleGrouping' }
  | { readonly type: 'toggleByBackend' }
  | { readonly type: 'fold'; readonly key: string }
  | { readonly type: 'foldAll'; readonly keys: readonly string[] }
  | { readonly type: 'logs'; readonly event: LogsEvent }
  /** `last`: the row where the cursor stays when the newest line is not followed any more. */
  | { readonly type: 'setTail'; readonly isOn: boolean; readonly last: number }
  | { readonly type: 'say'; readonly text: string }
  | { readonly type: 'toggleExplanation' }
  | { readonly type: 'toggleHelp' }
  | { readonly type: 'closeHelp' };

const maxTimeline = 1000;

/** How a view begins. */
export interface LiveStart {
  readonly subject?: string;
  readonly view?: View;
  readonly node?: string;
}

export function initialState(origin: Origin, now: number, start: LiveStart = {}): LiveState {
  return {
    origin,
    subject: start.subject ?? '',
    connection: { state: 'connecting' },
    notice: undefined,
    answer: undefined,
    ...nothingShown,
    timeline: [],
    selectedNode: start.node,
    isNodeChosen: start.node !== undefined,
    view: start.view ?? 'path',
    visited: [],
    cursors: {},
    scroll: 0,
    filters: {},
    input: undefined,
    order: { column: 'name', isReversed: false },
    isGrouped: false,
    folded: new Set(),
    isByBackend: false,
    logs: start.view === 'logs' ? openedLogs : undefined,
    isExplained: true,
    isHelpOpen: false,
    now,
  };
}

export function reduceLive(before: LiveState, action: LiveAction): LiveState {
  // The result of the last action is shown until the next key.
  const isOfKey = action.type !== 'event' && action.type !== 'tick' && action.type !== 'say' && action.type !== 'logs';
  const state = isOfKey && before.answer !== undefined ? { ...before, answer: undefined } : before;
  switch (action.type) {
    case 'event':
      return reduceEvent({ ...state, now: action.at }, action.event, action.comparison);
    case 'tick':
      return { ...state, now: action.at };
    case 'moveCursor':
      // The newest line is followed until the user looks at an older one.
      if (isTailing(state) && action.by > 0) return state;
      return withCursor(
        withTail(state, false),
        Math.max(0, Math.min(Math.min(cursorOf(state), action.last) + action.by, action.last)),
      );
    case 'setCursor':
      return withCursor(withTail(state, false), action.row);
    case 'selectBy':
      return select(state, indexOfSelected(state) + action.nodes);
    case 'selectNode':
      return select(
        state,
        nodesOf(state).findIndex(({ name }) => name === action.node),
      );
    case 'selectFirst':
      return select(state, 0);
    case 'selectLast':
      return select(state, nodesOf(state).length - 1);
    case 'show':
      return show(state, action.view);
    case 'turn':
      return show(state, views[(views.indexOf(state.view) + action.by + views.length) % views.length] ?? 'path');
    case 'goBack': {
      const view = state.visited.at(-1);
      return view === undefined ? state : { ...state, view, visited: state.visited.slice(0, -1), scroll: 0 };
    }
    case 'scrollBy':
      return {
        ...state,
        isNodeChosen: true,
        scroll: Math.max(0, Math.min(state.scroll + action.lines, action.last)),
      };
    case 'openInput':
      return { ...state, input: openedInput(state, action.kind), isHelpOpen: false };
    case 'type':
      return typed(state, action.text, action.chosen ?? 0);
    case 'closeInput':
      // A filter that is not kept goes; one that is empty was none.
      return state.input?.kind === 'filter' && (!action.isKept || state.input.text === '')
        ? { ...withFilter(state, undefined), input: undefined }
        : { ...state, input: undefined };
    case 'sortNext':
      return {
        ...state,
        order: {
          ...state.order,
          column: nodeSorts[(nodeSorts.indexOf(state.order.column) + 1) % nodeSorts.length] ?? 'name',
        },
      };
    case 'sortBy':
      return {
        ...show(state, 'nodes'),
        order: { column: action.column, isReversed: state.order.column === action.column && !state.order.isReversed },
      };
    case 'reverse':
      return { ...state, order: { ...state.order, isReversed: !state.order.isReversed } };
    case 'toggleGrouping':
      return { ...state, isGrouped: !state.isGrouped };
    case 'toggleByBackend':
      return { ...withCursor(state, 0), isByBackend: !state.isByBackend };
    case 'fold': {
      const folded = new Set(state.folded);
      if (!folded.delete(action.key)) folded.add(action.key);
      return { ...state, folded };
    }
    case 'foldAll':
      return {
        ...withCursor(state, 0),
        folded: action.keys.every((key) => state.folded.has(key)) ? new Set() : new Set(action.keys),
      };
    case 'logs':
      return withLogs(state, reduceLogs(state.logs ?? openedLogs, action.event));
    case 'setTail':
      return withTail({ ...state, cursors: { ...state.cursors, logs: action.last } }, action.isOn);
    case 'say':
      return { ...state, answer: visibleText(action.text) };
    case 'toggleExplanation':
      return { ...state, isExplained: !state.isExplained };
    case 'toggleHelp':
      return { ...state, isHelpOpen: !state.isHelpOpen };
    case 'closeHelp':
      return { ...state, isHelpOpen: false };
  }
}

function reduceEvent(state: LiveState, event: TraceEvent, comparison: Comparison | undefined): LiveState {
  switch (event.kind) {
    case 'opened':
      return { ...state, origin: event.origin };
    case 'trace': {
      const { trace } = event;
      const names = (trace.status?.nodes ?? []).map(({ name }) => name);
      // A trace that was just created says nothing yet: the connection is there, an answer is not.
      const isAnswered = trace.status !== undefined;
      // Which node answers first is chance: until all have, the first by name is shown.
      const asked = state.isNodeChosen || !isCollecting(state.trace) ? state.selectedNode : undefined;
      // A node that was asked for by name may be waited for, but not among others that are there.
      const isThere = asked === undefined || names.length === 0 || names.includes(asked);
      const { changes, rates, history } = comparison ?? compareWith(state, trace);
      return {
        ...state,
        trace,
        rates,
        history,
        timeline: changes.length === 0 ? state.timeline : [...state.timeline, ...changes].slice(-maxTimeline),
        selectedNode: isThere ? (asked ?? names[0]) : names[0],
        answer: isThere ? state.answer : `${asked} is not among the nodes of this trace; ${names[0] ?? ''} is shown`,
        connection: isAnswered
          ? { state: 'live' }
          : state.connection.state === 'silent'
            ? state.connection
            : { state: 'connecting' },
        notice: isAnswered ? undefined : state.notice,
      };
    }
    case 'notice':
      return { ...state, notice: event.message };
    case 'lost':
      return {
        ...state,
        connection: { state: 'lost', reason: event.reason, since: state.now },
        timeline: [
          ...state.timeline,
          linkChange(state, 'bad', `the connection to the API server is lost: ${event.reason}`),
        ].slice(-maxTimeline),
      };
    case 'resumed': {
      const text =
        state.connection.state === 'lost'
          ? `connected again after ${String(Math.round((state.now - state.connection.since) / 1000))} s; what happened in between is not known step by step`
          : 'connected again';
      return {
        ...state,
        connection: state.trace?.status === undefined ? { state: 'connecting' } : { state: 'live' },
        notice: text,
        timeline: [...state.timeline, linkChange(state, 'good', text)].slice(-maxTimeline),
      };
    }
    case 'silent':
      return { ...state, connection: { state: 'silent', reason: event.message } };
    case 'ended':
      return { ...state, connection: { state: 'ended', reason: event.reason } };
  }
}

/** Nothing is said yet, or nodes are still waited for. */
function isCollecting(trace: LiveState['trace']): boolean {
  const collected = trace?.status?.conditions?.find(({ type }) => type === 'Collected');
  return collected === undefined || collected.status === 'Unknown';
}

function linkChange({ now }: LiveState, severity: StatusChange['severity'], text: string): TimelineChange {
  return { at: new Date(now).toISOString(), kind: 'link', severity, text };
}

/** A filter goes on with what it was. */
export function openedInput(state: Pick<LiveState, 'view' | 'filters'>, kind: Input['kind']): Input {
  return { kind, text: kind === 'filter' ? filterOf(state) : '', chosen: 0 };
}

export function nodesOf({ trace }: Pick<LiveState, 'trace'>): readonly NodeStatus[] {
  return trace?.status?.nodes ?? [];
}

export function indexOfSelected(state: Pick<LiveState, 'trace' | 'selectedNode'>): number {
  return Math.max(
    0,
    nodesOf(state).findIndex(({ name }) => name === state.selectedNode),
  );
}

export function selectedNode(state: Pick<LiveState, 'trace' | 'selectedNode'>): NodeStatus | undefined {
  return nodesOf(state).find(({ name }) => name === state.selectedNode);
}

/** Past all rows where the newest line is followed. */
export function cursorOf(state: Pick<LiveState, 'view' | 'cursors' | 'logs'>): number {
  return isTailing(state) ? Infinity : (state.cursors[state.view] ?? 0);
}

function isTailing({ view, logs }: Pick<LiveState, 'view' | 'logs'>): boolean {
  return view === 'logs' && logs?.isTailing === true;
}

function withTail(state: LiveState, isOn: boolean): LiveState {
  return state.view !== 'logs' || state.logs === undefined || state.logs.isTailing === isOn
    ? state
    : { ...state, logs: { ...state.logs, isTailing: isOn } };
}

/** The cursor stays on its line while older ones leave. */
function withLogs(state: LiveState, logs: LogsState): LiveState {
  const { cursors } = state;
  if (state.logs === undefined || cursors.logs === undefined || logs.left === state.logs.left)
    return { ...state, logs };
  return {
    ...state,
    logs,
    cursors: { ...cursors, logs: Math.max(0, cursors.logs - leavingRows(state.logs, logs, state.filters.logs ?? '')) },
  };
}

export function filterOf({ view, filters }: Pick<LiveState, 'view' | 'filters'>): string {
  return filters[view] ?? '';
}

function withCursor(state: LiveState, row: number): LiveState {
  return { ...state, isNodeChosen: true, cursors: { ...state.cursors, [state.view]: row } };
}

function withFilter(state: LiveState, text: string | undefined): LiveState {
  const others = without(state.filters, state.view);
  return {
    ...withCursor(state, 0),
    filters: text === undefined || text === '' ? others : { ...others, [state.view]: text },
  };
}

/** Rows are filtered while the filter is typed. */
function typed(state: LiveState, text: string, chosen: number): LiveState {
  if (state.input === undefined) return state;
  const input = { ...state.input, text, chosen };
  return { ...(input.kind === 'filter' ? withFilter(state, text) : state), input };
}

function show(state: LiveState, view: View): LiveState {
  if (view === state.view) return state;
  return {
    ...state,
    ...(view === 'logs' && state.logs === undefined ? { logs: openedLogs } : {}),
    view,
    visited: [...state.visited.filter((each) => each !== view), state.view].slice(-views.length),
    scroll: 0,
  };
}

function select(state: LiveState, index: number): LiveState {
  const nodes = nodesOf(state);
  const chosen = nodes[Math.max(0, Math.min(index, nodes.length - 1))]?.name;
  if (chosen === state.selectedNode) return state.isNodeChosen ? state : { ...state, isNodeChosen: true };
  // What a view shows of one node begins at its top.
  return {
    ...state,
    selectedNode: chosen,
    isNodeChosen: true,
    scroll: 0,
    cursors: without(state.cursors, 'rules', 'conntrack', 'walk'),
  };
}

function without<Value>(
  of: Readonly<Partial<Record<View, Value>>>,
  ...gone: readonly View[]
): Partial<Record<View, Value>> {
  const rest = { ...of };
  for (const view of gone) delete rest[view];
  return rest;
}

/** The first of `size` rows that are shown of `total`, so that `selected` is among them, in the middle where it can be. */
export function windowStart(selected: number, total: number, size: number): number {
  return Math.max(0, Math.min(selected - Math.floor(size / 2), total - size));
}
