/** docs/diagnosis.md: what the suite has shown, in its own words and numbers. */
import { writeFile } from 'node:fs/promises';
import { catalogue } from '../../core/diagnose/catalogue.ts';
import type { FaultResult, FindingAt } from './fault.ts';
import { isExact, scoresOf, share } from './results.ts';

interface SuiteResults {
  readonly results: readonly FaultResult[];
  /** How many Services of the healthy cluster were looked at before any fault was made. */
  readonly healthyServices: number;
  /** What was found there beyond what those Services are made to show. */
  readonly healthyFindings: readonly FindingAt[];
}

/** Writes docs/diagnosis.md. */
export async function writeDiagnosis(results: SuiteResults): Promise<void> {
  await writeFile(new URL('../../docs/diagnosis.md', import.meta.url), diagnosisText(results));
}

function diagnosisText({ results, healthyServices, healthyFindings }: SuiteResults): string {
  const scores = scoresOf(results, healthyFindings);
  const sum = (of: (score: (typeof scores)[number]) => number): number =>
    scores.reduce((total, score) => total + of(score), 0);
  const [right, wrong, missed] = [
    sum((score) => score.right),
    sum((score) => score.wrong),
    sum((score) => score.missed),
  ];
  const shown = new Set(scores.filter((score) => score.right > 0).map(({ id }) => id));
  return [
    '# What the diagnosis finds',
    '',
    'Written by `npm run faults` from what it saw: each fault is made for real on the embedded cluster (test/cluster), by editing',
    "the kernel's rules, by stopping processes, with real clients, or through the API; then the Service is traced on all three nodes",
    'by the engine of `--standalone`, and the finding ids, each with its node, are compared with exactly those that are expected.',
    'Before a fault and after it is taken away, the same Service must have none.',
    '',
    `- ${results.length} faults, ${results.filter(isExact).length} of them with exactly the expected findings.`,
    `- The healthy cluster, ${healthyServices} Services on all nodes: ${healthyFindings.length === 0 ? 'no finding that is not meant' : `${healthyFindings.length} findings that are not meant: ${healthyFindings.join(', ')}`}.`,
    `- Of all kinds together: precision ${share(right, wrong)}, recall ${share(right, missed)}.`,
    '',
    '## Faults',
    '',
    '| fault | what is done | expected | found | exact |',
    '|---|---|---|---|---|',
    ...results.map((result) =>
      row([
        result.fault.name,
        result.fault.does,
        list([...result.fault.expected].sort()),
        list([...result.found, ...result.foundHealthy.map((finding) => `${finding} (without the fault)`)]),
        isExact(result) ? 'yes' : 'NO',
      ]),
    ),
    '',
    '## Precision and recall of each kind of finding',
    '',
    'A kind counts once for each fault and node.',
    '',
    '| finding | expected and found | found, not expected | expected, not found | precision | recall |',
    '|---|---|---|---|---|---|',
    ...scores.map((score) =>
      row([
        score.id,
        String(score.right),
        String(score.wrong),
        String(score.missed),
        share(score.right, score.wrong),
        share(score.right, score.missed),
      ]),
    ),
    '',
    '## Kinds that no fault of the suite gives',
    '',
    'Their cases are in test/core/diagnose/finding-cases: what they need is not in this cluster (IPVS, another datapath, an older kube-proxy), or',
    'nobody has made a fault for them yet.',
    '',
    catalogue.flatMap(({ id }) => (shown.has(id) ? [] : [id])).join(', ') || 'none',
    '',
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function list(findings: readonly string[]): string {
  return findings.join(', ') || 'none';
}
