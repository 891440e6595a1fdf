/** What happened while this view was open, the newest first. */
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import type { SliceChangeStatus } from '../../../core/api/service-trace.ts';
import { sliceChangeText } from '../../../core/convergence/change-text.ts';
import { lagSummary } from '../../../core/convergence/lag-text.ts';
import { plural } from '../../../core/lib/plural.ts';
import { changeLagCell, lagBar, lagCell, sliceChangeOf, slowestFirst } from '../../tables/lag.ts';
import { wrapped } from '../../printers/wrapped.ts';
import { cell, type Tone } from '../../tables/tone.ts';
import type { Theme } from '../state/theme.ts';
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
  const status = state.trace?.status;
  const sliceChange = (index: number): SliceChangeStatus | undefined => {
    const key = shown.at(-1 - index)?.sliceChange;
    return key === undefined || status === undefined ? undefined : sliceChangeOf(status, key);
  };
  const hasLags = shown.some((change) => change.sliceChange !== undefined);
  const lagColumn = (index: number): string => {
    if (!hasLags) return '';
    const change = shown.at(-1 - index);
    const own = sliceChange(index);
    const { text, tone } =
      change?.lag !== undefined ? lagCell(change.lag) : own === undefined ? cell('') : changeLagCell(own);
    return `${paint(tone, text.padEnd(lagWidth))} `;
  };
  return {
    fixed: [
      paint('dim', 'the newest first, times in UTC'),
      ...(hasLags ? [paint('heading', `${'TIME'.padEnd(8)} ${'LAG'.padEnd(lagWidth)}   CHANGE`)] : []),
    ],
    count: shown.length,
    line: (index) => {
      const change = shown.at(-1 - index);
      if (change === undefined) return '';
      return `${paint('dim', change.at.slice(11, 19))} ${lagColumn(index)}${paint(tones[change.severity], `${mark[change.severity]} ${change.kind.padEnd(8)} ${changeText(change)}`)}`;
    },
    ...(hasLags
      ? {
          detail: (index: number): readonly string[] => {
            const own = sliceChange(index);
            return own === undefined ? [] : changeLines(own, width, theme);
          },
        }
      : {}),
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

/** `2/3 nodes`, `< 10 s`, `1.0 to 3.0 s`. */
const lagWidth = 12;

/** What changed, how long it took, and a bar for each node, the slowest first. */
function changeLines(change: SliceChangeStatus, width: number, { paint }: Theme): string[] {
  const nodes = slowestFirst(change.nodes);
  const longest = Math.max(
    0,
    ...nodes.map(({ minMilliseconds, maxMilliseconds }) => maxMilliseconds ?? minMilliseconds),
  );
  const nameWidth = Math.min(30, Math.max(0, ...nodes.map(({ node }) => stringWidth(node))));
  const barWidth = Math.max(8, Math.min(40, width - nameWidth - lagWidth - 4));
  return [
    paint('heading', sliceChangeText(change)),
    ...wrapped(lagSummary(change.lag), width),
    ...nodes.map((lag) => {
      const { text, tone } = lagCell(lag);
      const name = cliTruncate(lag.node, nameWidth, { position: 'middle' });
      return `${name}${' '.repeat(Math.max(0, nameWidth - stringWidth(name)))} ${paint(tone, text.padEnd(lagWidth))} ${paint(tone, lagBar(lag, longest, barWidth))}`;
    }),
    ...(change.omittedNodes === 0
      ? []
      : [paint('dim', `and ${plural(change.omittedNodes, 'node')} more, which were faster`)]),
  ];
}
