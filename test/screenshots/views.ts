/** The views that the README shows, in the order in which they are taken, and how each is known to be whole. */
export interface ScreenshotView {
  /** Of the file docs/screenshots/NAME.svg. */
  readonly name: string;
  readonly title: string;
  /** Keys that lead there from the view before, by tmux's names. */
  readonly keys: readonly string[];
  readonly shows: RegExp;
}

export const size = { columns: 120, rows: 36 } as const;

export const screenshotViews: readonly ScreenshotView[] = [
  // The third node is the one that lacks a rule.
  { name: 'path', title: 'kubectl svctrace auth-service', keys: ['Down', 'Down'], shows: /▸ node-c[\s\S]*DNAT TARGET/ },
  { name: 'nodes', title: 'kubectl svctrace auth-service --view nodes', keys: ['2'], shows: /\[2 nodes\][\s\S]*node-c/ },
  // Rates and sparklines need some results.
  { name: 'rules', title: 'kubectl svctrace auth-service --view rules', keys: ['3'], shows: /\[3 rules\][\s\S]*KUBE-SVC-[\s\S]*[▁▂▃▄▅▆▇█]{4}/ },
  { name: 'findings', title: 'kubectl svctrace auth-service --view findings', keys: ['5'], shows: /\[5 findings \(1\)\][\s\S]*RULE-EP-MISSING[\s\S]*evidence/ },
];
