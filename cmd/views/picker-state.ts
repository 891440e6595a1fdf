/** The choice of a Service: what is typed, what matches, which is chosen. */
import fuzzysort from 'fuzzysort';
import type { ServiceChoice } from './service-choices.ts';

export interface ListedServices {
  /** That is listed where not all are. */
  readonly namespace: string;
  readonly services: readonly ServiceChoice[];
}

export interface PickerState {
  /** Absent while it is not known. */
  readonly namespace?: string;
  /** Absent while they are being listed. */
  readonly services?: readonly ServiceChoice[];
  /** Why they cannot be listed. */
  readonly problem?: string;
  readonly typed: string;
  readonly chosen: number;
  readonly isEverywhere: boolean;
}

export type PickerAction =
  | { readonly type: 'listed'; readonly listed: ListedServices }
  | { readonly type: 'failed'; readonly problem: string }
  | { readonly type: 'type'; readonly text: string }
  | { readonly type: 'move'; readonly rows: number }
  | { readonly type: 'toggleEverywhere' };

export function reducePicker(state: PickerState, action: PickerAction): PickerState {
  switch (action.type) {
    case 'listed': {
      const chosenName = keyOf(matching(state)[state.chosen]);
      const next: PickerState = {
        typed: state.typed,
        chosen: state.chosen,
        isEverywhere: state.isEverywhere,
        ...action.listed,
      };
      // What was chosen stays chosen while others come and go.
      const at = matching(next).findIndex((service) => keyOf(service) === chosenName);
      return { ...next, chosen: Math.max(0, at) };
    }
    case 'failed':
      return { ...state, problem: action.problem };
    case 'type':
      return { ...state, typed: action.text, chosen: 0 };
    case 'move':
      return { ...state, chosen: Math.max(0, Math.min(state.chosen + action.rows, matching(state).length - 1)) };
    case 'toggleEverywhere':
      return {
        typed: state.typed,
        isEverywhere: !state.isEverywhere,
        chosen: 0,
        ...(state.namespace === undefined ? {} : { namespace: state.namespace }),
      };
  }
}

/** The Services that have the typed letters in their order, the best first; all where nothing is typed. */
export function matching({ services = [], typed }: Pick<PickerState, 'services' | 'typed'>): readonly ServiceChoice[] {
  if (typed.trim() === '') return services;
  return fuzzysort
    .go(typed.trim(), services, { key: (service) => `${service.namespace}/${service.name}`, threshold: 0 })
    .map(({ obj }) => obj);
}

function keyOf(service: ServiceChoice | undefined): string {
  return service === undefined ? '' : `${service.namespace}/${service.name}`;
}
