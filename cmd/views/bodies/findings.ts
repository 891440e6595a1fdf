/** The findings, one line each; the chosen one may be opened to its evidence and advice. */
import type { FindingStatus } from '../../../core/api/service-trace.ts';
import { findingKey } from '../../../core/status/changes.ts';
import { paintCell } from '../../tables/paint.ts';
import { commandText, findingText, findingTitle } from '../../printers/table.ts';
import { wrapped } from '../../printers/wrapped.ts';
import { noFindingCell } from '../../tables/words.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { filterOf } from '../state/live-state.ts';
import { rowFilter } from '../state/row-filter.ts';

interface Row {
  readonly text: string;
  readonly finding: FindingStatus;
  /** A command, and nothing else: what is copied is pasted into a shell. */
  readonly copy: string | undefined;
}

export function findingsBody(state: BodyState, options: BodyOptions): Body {
  const { paint } = options.theme;
  const status = state.trace?.status;
  if (status === undefined) return textBody([]);
  const all = status.findings ?? [];
  if (all.length === 0) return textBody([`Findings: ${paintCell(paint, noFindingCell(status))}`]);
  const keys = keysOf(all);
  const isShown = rowFilter(filterOf(state));
  const shown = all.filter((finding) =>
    isShown([finding.id, finding.severity, finding.where, finding.message].join(' ')),
  );
  // Few findings are shown whole at once; of many, those that are opened.
  const isOpen = (finding: FindingStatus): boolean => state.folded.has(keys.get(finding) ?? '') !== shown.length <= 3;
  const rows = shown.flatMap((finding): Row[] =>
    isOpen(finding)
      ? openRows(finding, options)
      : [
          {
            text: `${findingTitle(finding, { paint })}  ${finding.message}`,
            finding,
            copy: finding.commands?.[0]?.run,
          },
        ],
  );
  return {
    fixed:
      shown.length === all.length ? [] : [paint('dim', `${String(shown.length)} of ${String(all.length)} findings`)],
    count: rows.length,
    line: (index) => rows[index]?.text ?? '',
    meaning: (index) => {
      const row = rows[index];
      const key = row === undefined ? undefined : keys.get(row.finding);
      return row === undefined || key === undefined
        ? {}
        : { open: { kind: 'fold', key }, fold: key, ...(row.copy === undefined ? {} : { copy: row.copy }) };
    },
    foldable: shown.flatMap((finding) => keys.get(finding) ?? []),
  };
}

/** What is open stays so when the text of a finding changes; those of one kind at one place are distinguished by their order. */
function keysOf(findings: readonly FindingStatus[]): ReadonlyMap<FindingStatus, string> {
  return new Map(
    [...Map.groupBy(findings, findingKey)].flatMap(([key, alike]) =>
      alike.map((finding, index) => [finding, `finding ${key} ${String(index)}`] as const),
    ),
  );
}

/** A line copies the command that it shows; those before copy the first. */
function openRows(finding: FindingStatus, { width, theme: { paint } }: BodyOptions): Row[] {
  const commands = finding.commands ?? [];
  return [
    ...findingText(finding, { paint, width }).map((text) => ({ text, finding, copy: commands[0]?.run })),
    ...commands.flatMap((command) =>
      wrapped(commandText(command), width, 4).map((text) => ({ text, finding, copy: command.run })),
    ),
  ];
}
