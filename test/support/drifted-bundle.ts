/** A trace of a real cluster on which somebody deleted one rule of node-c: an endpoint gets no packet there. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseBundle, type Bundle } from '../../core/wire/bundle.ts';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';

/** The recorded traces of a real cluster in test/fixtures; a headless Service has no rules. */
export const bundleNames: readonly string[] = [
  'auth-service',
  'external-ip',
  'headless',
  'internal-local',
  'many-ports',
  'nobody-home',
  'node-port',
  'node-port-local',
  'only-ipv6',
  'sticky',
];

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/${name}.svctrace`, import.meta.url));

export function recordedBundle(name: string): Bundle {
  return parseBundle(readFileSync(fixture(name), 'utf8'));
}

export function driftedBundle(): Bundle {
  const bundle = recordedBundle('auth-service');
  const isChoice = (record: NodeReportRecord): record is NodeReportRecord & { kind: 'iptablesChain' } =>
    record.kind === 'iptablesChain' && record.family === 'IPv4' && record.chain.startsWith('KUBE-SVC-');
  const withoutOne = (record: NodeReportRecord): NodeReportRecord => {
    if (!isChoice(record)) return record;
    const lost = record.lines.filter((line) => line.includes('-j KUBE-SEP-'))[1];
    return { ...record, lines: record.lines.filter((line) => line !== lost) };
  };
  return {
    ...bundle,
    answers: bundle.answers.map((answer) =>
      'report' in answer && answer.node === 'node-c'
        ? { ...answer, report: { ...answer.report, records: answer.report.records.map(withoutOne) } }
        : answer,
    ),
  };
}
