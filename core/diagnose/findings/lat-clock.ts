import type { ClockOffset } from '../../wire/clock-offset.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

const leastMilliseconds = 1000;

export const latClock: FindingKind = {
  id: 'LAT-CLOCK',
  topic: 'latency',
  severity: 'warning',
  isLasting: true,
  condition:
    "A node's clock is certainly more than 1 s from the collector's: times of the node cannot be compared with those of the API server, and what kube-proxy measures of latency is wrong.",
  notReported:
    'Less than the uncertainty of the reading. Where the clocks of all nodes, and at least two, differ alike, it is the collector whose clock is wrong, and that is said once.',
  source: 'pkg/proxy/metrics/metrics.go network_programming_duration_seconds (clock drift)',
  find: ({ nodes }) => {
    const known = nodes.flatMap(({ node, read }) => (read?.clock === undefined ? [] : [{ node, clock: read.clock }]));
    const off = known.filter(({ clock }) => isOff(clock, 0));
    if (off.length === 0) return [];
    const usual =
      [...known].sort((one, other) => one.clock.milliseconds - other.clock.milliseconds)[
        Math.floor((known.length - 1) / 2)
      ]?.clock.milliseconds ?? 0;
    if (known.length > 1 && off.length === known.length && known.every(({ clock }) => !isOff(clock, usual))) {
      return [
        {
          where: 'collector',
          message: `The clock of the collector is ${seconds(usual)} s from those of all nodes.`,
          evidence: off.slice(0, 10).map(({ node, clock }) => `${node}: ${offsetText(clock)}`),
          advice: "Set the clock of the machine that collects (the operator's node, or with --standalone, your own).",
        },
      ];
    }
    return off.map(({ node, clock }) =>
      onNode(node, {
        message: `The clock of ${node} is ${seconds(clock.milliseconds)} s ${clock.milliseconds > 0 ? 'ahead of' : 'behind'} the collector's.`,
        evidence: [offsetText(clock)],
        advice: `The time service of ${node} says how far it is off.`,
        commands: [shellOn(node, 'chronyc', 'tracking'), shellOn(node, 'timedatectl', 'timesync-status')],
      }),
    );
  },
};

function isOff({ milliseconds, uncertainty }: ClockOffset, from: number): boolean {
  return Math.abs(milliseconds - from) - uncertainty > leastMilliseconds;
}

function seconds(milliseconds: number): string {
  return (Math.abs(milliseconds) / 1000).toFixed(1);
}

function offsetText({ milliseconds, uncertainty }: ClockOffset): string {
  return `${milliseconds > 0 ? '+' : ''}${milliseconds} ms, at most ${uncertainty} ms more or less`;
}
