/** How many traces there are, in which state, with which conditions and findings: for metrics. */

export interface CountedTrace {
  readonly mode: 'Once' | 'Watch';
  readonly state: 'Active' | 'Finished' | 'Suspended';
  readonly conditions: readonly { readonly type: string; readonly status: string }[];
  readonly findings: readonly { readonly id: string; readonly severity: string }[];
}

/** Each with its number; labels that no trace has are left out. */
export interface TraceCounts {
  readonly traces: readonly { readonly mode: string; readonly state: string; readonly count: number }[];
  readonly conditions: readonly { readonly condition: string; readonly status: string; readonly count: number }[];
  readonly findings: readonly { readonly id: string; readonly severity: string; readonly count: number }[];
}

/** Those that the project writes itself: a status that somebody else wrote makes no label. */
const conditionTypes = new Set(['Ready', 'Collected', 'Converged', 'Healthy', 'OnSchedule']);
const conditionStatuses = new Set(['True', 'False', 'Unknown']);
const severities = new Set(['info', 'warning', 'error']);

export class TraceCounter {
  readonly #traces = new Map<string, CountedTrace>();
  readonly #findingIds: ReadonlySet<string>;

  /** @param findingIds of the catalogue; any other is counted as "other" */
  constructor(findingIds: Iterable<string>) {
    this.#findingIds = new Set(findingIds);
  }

  set(key: string, { mode, state, conditions, findings }: CountedTrace): void {
    // The caller's objects may be of a whole status.
    this.#traces.set(key, {
      mode,
      state,
      conditions: conditions.map(({ type, status }) => ({ type, status })),
      findings: findings.map(({ id, severity }) => ({ id, severity })),
    });
  }

  delete(key: string): void {
    this.#traces.delete(key);
  }

  counts(): TraceCounts {
    const all = [...this.#traces.values()];
    return {
      traces: counted(all.map(({ mode, state }) => ({ mode, state }))),
      conditions: counted(
        all
          .flatMap(({ conditions }) => conditions)
          .filter(({ type, status }) => conditionTypes.has(type) && conditionStatuses.has(status))
          .map(({ type, status }) => ({ condition: type, status })),
      ),
      findings: counted(
        all
          .flatMap(({ findings }) => findings)
          .map(({ id, severity }) => ({
            id: this.#findingIds.has(id) ? id : 'other',
            severity: severities.has(severity) ? severity : 'other',
          })),
      ),
    };
  }
}

function counted<Labels extends Readonly<Record<string, string>>>(
  all: readonly Labels[],
): (Labels & { count: number })[] {
  return [...Map.groupBy(all, (labels) => JSON.stringify(labels)).values()].flatMap((each) =>
    each[0] === undefined ? [] : [{ ...each[0], count: each.length }],
  );
}
