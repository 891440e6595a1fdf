/** What happened while this view was open, the newest first. */
import { wrapped } from '../../printers/wrapped.ts';
import type { Tone } from '../../tables/tone.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { changeText } from '../../../core/status/changes.ts';
import { filterOf, type TimelineChange } from '../state/live-state.ts';
import { rowFilter } from '../state/row-filter.ts';

const tones: Readonly<Record<TimelineChange['severity'], Tone>> = { bad: 'error', good: 'ok', neutral: 'plain' };

export function timelineBody(state: BodyState, { width, theme }: BodyOptions): Body {
  const { paint, marks } = theme;
  const isShown = rowFilter(filterOf(state));
  const shown = state.timeline.filter((change) => isShown(`${change.kind} ${changeText(change)}`));
  if (shown.length === 0) {
    return textBody(
      wrapped(
        state.timeline.length === 0
          ? 'Nothing changed since this view was opened: endpoints, rules, nodes and findings are shown here as they change.'
          : 'No change has these words.',
        width,
      ).map((line) => paint('dim', line)),
    );
  }
  const mark: Readonly<Record<TimelineChange['severity'], string>> = { bad: marks.error, good: marks.ok, neutral: ' ' };
  return {
    fixed: [paint('dim', 'the newest first, times in UTC')],
    count: shown.length,
    line: (index) => {
      const change = shown.at(-1 - index);
      if (change === undefined) return '';
      return `${paint('dim', change.at.slice(11, 19))} ${paint(tones[change.severity], `${mark[change.severity]} ${change.kind.padEnd(8)} ${changeText(change)}`)}`;
    },
    meaning: (index) => {
      const change = shown.at(-1 - index);
      if (change === undefined) return {};
      return {
        ...(change.node === undefined ? {} : { open: { kind: 'node', node: change.node } }),
        copy: `${change.at} ${changeText(change)}`,
      };
    },
  };
}
