/** The views that the README shows, in the order in which they are taken, and how each is known to be whole. */
export interface ScreenshotView {
  /** Of the file docs/screenshots/NAME.svg. */
  readonly name: string;
  readonly title: string;
  /** As many as the view fills. */
  readonly rows: number;
  /** Keys that lead there from the view before, by tmux's names. */
  readonly keys: readonly string[];
  readonly shows: RegExp;
}

export const columns = 120;

export const screenshotViews: readonly ScreenshotView[] = [
  // The third node is the one that lacks a rule; rates are known from the second result on.
  {
    name: 'path',
    title: 'kubectl svctrace auth-service',
    rows: 24,
    keys: ['Down', 'Down'],
    shows: /● live[\s\S]*▸ node-c[\s\S]*DNAT TARGET[\s\S]*ready +66\.7% +\d+ +[\d.]+\/s/,
  },
  {
    name: 'nodes',
    title: 'kubectl svctrace auth-service --view nodes',
    rows: 14,
    keys: ['2'],
    shows: /● live[\s\S]*\[2 nodes\][\s\S]*node-c/,
  },
  // A sparkline needs some results.
  {
    name: 'rules',
    title: 'kubectl svctrace auth-service --view rules',
    rows: 36,
    keys: ['3', 'Down', 'Down', 'Down'],
    shows: /● live[\s\S]*\[3 rules\][\s\S]*KUBE-SVC-[\s\S]*[▁▂▃▄▅▆▇█]{5}/,
  },
  {
    name: 'findings',
    title: 'kubectl svctrace auth-service --view findings',
    rows: 16,
    keys: ['5'],
    shows: /● live[\s\S]*\[5 findings \(1\)\][\s\S]*RULE-EP-MISSING[\s\S]*evidence/,
  },
];
