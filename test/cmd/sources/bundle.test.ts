/** Files that are refused for what is in them, by every command that opens one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../cmd/cli/errors.ts';
import { readBundle } from '../../../cmd/sources/bundle.ts';
import { parseBundle, printBundle } from '../../../core/wire/bundle.ts';
import type { NodeReportRecord } from '../../../core/wire/node-report.ts';

const whole = readFileSync(fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url)), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'svctrace-test-'));
const file = join(folder, 'altered.svctrace');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(change: (record: NodeReportRecord) => NodeReportRecord): void {
  const bundle = parseBundle(whole);
  const answers = bundle.answers.map((answer) =>
    'report' in answer
      ? { ...answer, report: { ...answer.report, records: answer.report.records.map(change) } }
      : answer,
  );
  writeFileSync(file, printBundle({ ...bundle, answers }));
}

describe('rules that jump in a circle', () => {
  const rows: readonly (readonly [string, RegExp, (record: NodeReportRecord) => NodeReportRecord])[] = [
    [
      'of iptables',
      /: on node-\w, the rules jump in a circle, (KUBE-SVC-\w+) -> \1, which no kernel takes: the file was altered; record it again\.$/,
      (record) =>
        record.kind === 'iptablesChain' && record.chain.startsWith('KUBE-SVC-') && !record.absent
          ? { ...record, lines: [...record.lines, `-A ${record.chain} -j ${record.chain}`] }
          : record,
    ],
    [
      'of nftables',
      /: on node-\w, the rules jump in a circle, services -> services, which no kernel takes: the file was altered; record it again\.$/,
      (record) =>
        record.kind === 'nftChain' && record.chain === 'services'
          ? {
              ...record,
              objects: [
                ...record.objects,
                {
                  rule: {
                    family: record.family === 'IPv4' ? 'ip' : 'ip6',
                    table: 'kube-proxy',
                    chain: 'services',
                    handle: 1,
                    expr: [{ jump: { target: 'services' } }],
                  },
                },
              ],
            }
          : record,
    ],
  ];
  for (const [name, message, change] of rows)
    it(`${name} are refused with the chains`, async () => {
      write(change);
      const refused = readBundle(file);
      await expect(refused).rejects.toThrow(UsageError);
      await expect(refused).rejects.toThrow(message);
    });

  it('are not there in a file that was not altered', async () => {
    write((record) => record);
    expect((await readBundle(file)).answers).toEqual(parseBundle(whole).answers);
  });
});
