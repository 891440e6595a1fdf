/** What a proof of lags has shown, as text. */
import type { LagProof } from './lag-proof.ts';
import type { ScreenTimes } from './screen-times.ts';

/** With how soon changes are on the screen; empty where that was not measured. */
type WholeProof = LagProof & { readonly screens: readonly ScreenTimes[] };

const screenMilliseconds = 300;

const width = 20;

export function lagProofText(proof: WholeProof): string {
  const { nodes, changes, quick, cuts, screens } = proof;
  const row = (title: string, cells: readonly string[]): string =>
    `${title.padEnd(46)}${cells.map((cell) => cell.padStart(width)).join('')}\n`;
  const of = (title: string, cell: (node: LagProof['nodes'][number]) => string): string => row(title, nodes.map(cell));
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const faults = lagFaults(proof);
  return [
    of('', ({ mode }) => mode),
    of('changes', (node) => String(node.changes)),
    of('rules changed within the bounds shown', (node) => `${String(node.contained)}`),
    of('  and both bounds within 20 ms of it', (node) => `${((100 * node.near) / node.changes).toFixed(1)} %`),
    of('farther bound: half of them within', ({ median }) => ms(median)),
    of('  99 % within', ({ p99 }) => ms(p99)),
    of('  all within', ({ worst }) => ms(worst)),
    of('the witness leaves the moment open by', ({ witness }) => ms(witness)),
    of("moments in kube-proxy's log", (node) => String(node.logged)),
    of('transactions, missed, twice', ({ transactions }) =>
      transactions === undefined ? 'polled' : Object.values(transactions).join(' '),
    ),
    of(
      'a stopped kube-proxy: lag',
      ({ stopped }) => `${(stopped.min / 1000).toFixed(2)}-${(stopped.max / 1000).toFixed(2)} s`,
    ),
    of('  really', ({ stopped }) => `${(stopped.real.to / 1000).toFixed(2)} s`),
    of('  the most of another node', ({ stopped }) => `${(stopped.others / 1000).toFixed(2)} s`),
    of('undone before it arrived', ({ undone, undoneCame }) => `${undone}${undoneCame ? ' (it came)' : ''}`),
    ...(screens.length === 0
      ? []
      : [
          row(
            `on the screen after: half of ${String(screens[0]?.changes)}`,
            screens.map(({ median }) => ms(median)),
          ),
          row(
            '  all within',
            screens.map(({ worst }) => ms(worst)),
          ),
        ]),
    `${String(changes.made)} changes one by one: ${String(changes.missed)} missed, ${String(changes.twice)} twice\n`,
    `${String(quick.made)} quick changes: ${String(quick.missed)} missed, ${String(quick.twice)} twice\n`,
    `${String(cuts.made)} cuts of ${String(cuts.connections)} connections: ${String(cuts.missed)} changes missed, ${String(cuts.twice)} twice, ${String(cuts.unarrived)} not seen to arrive on a node, ${String(cuts.outside)} outside of their bounds\n`,
    ...faults.map((fault) => `NOT SO: ${fault}\n`),
  ].join('');
}

/** One line of JSON for each mode, and one for what is of all of them. */
export function lagProofLines({ nodes, changes, quick, cuts, screens }: WholeProof): string {
  return [...nodes, { changes, quick, cuts, screens }].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** What ought to hold on a machine at rest, and does not. */
export function lagFaults(proof: WholeProof): string[] {
  return [
    ...untrueLags(proof),
    ...proof.screens.flatMap(({ node, worst }) =>
      worst <= screenMilliseconds
        ? []
        : [`${node}: a change is on the screen later than 300 ms after it is in the rules`],
    ),
    ...proof.nodes.flatMap((node) => {
      const { min, max, others } = node.stopped;
      return [
        ...(node.transactions === undefined || node.near >= 0.99 * node.changes
          ? []
          : [`${node.mode}: fewer than 99 % are within 20 ms`]),
        ...(min >= 4000 && max <= 8000 && others < 4000
          ? []
          : [`${node.mode}: a stopped kube-proxy has no lag of 5 s`]),
      ];
    }),
  ];
}

/** What is not true of what is shown, however busy the machine is. */
export function untrueLags({ nodes, changes, quick, cuts }: LagProof): string[] {
  const faults = nodes.flatMap((node) => {
    const isPolled = node.transactions === undefined;
    const { min, max, real, lastNode } = node.stopped;
    const claims: [boolean, string][] = [
      [node.contained === node.changes, 'some changes were outside of the bounds shown'],
      [node.logged === node.changes, "kube-proxy's log has not written at some of the moments"],
      [
        isPolled || (node.transactions?.missed === 0 && node.transactions.twice === 0),
        'transactions are missed or twice',
      ],
      [min <= real.to + 1 && max >= real.from - 1, 'the lag of a stopped kube-proxy is outside of its bounds'],
      [lastNode === node.node, 'a stopped kube-proxy is not the last one'],
      // A table that is asked for now and then may have had it in between.
      [
        isPolled
          ? node.undone === 'Unseen' || (node.undoneCame && node.undone === 'Arrived')
          : node.undone === (node.undoneCame ? 'Arrived' : 'NeverArrived'),
        'a change that was undone is not shown so',
      ],
    ];
    return claims.flatMap(([isSo, text]) => (isSo ? [] : [`${node.mode}: ${text}`]));
  });
  const counts = [
    ['changes one by one', changes],
    ['quick changes', quick],
    ['changes while connections were cut', cuts],
  ] as const;
  return [
    ...faults,
    ...counts.flatMap(([what, { missed, twice }]) =>
      missed + twice === 0 ? [] : [`${what}: some are missed or twice`],
    ),
    ...(cuts.unarrived + cuts.outside === 0
      ? []
      : ['changes while connections were cut: some are lost or outside of their bounds']),
  ];
}
