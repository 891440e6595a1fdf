/** A directory where a file belongs: every flag that names a file says so in one sentence. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readBundle } from '../../../cmd/sources/bundle.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { ClusterError, UsageError } from '../../../cmd/cli/errors.ts';
import { loadKubeConfig } from '../../../cmd/cluster/kube-config.ts';
import { runRecord } from '../../../cmd/commands/record.ts';
import { runReport } from '../../../cmd/commands/report.ts';
import type { Request } from '../../../cmd/cli/request.ts';
import { runSimulate } from '../../../cmd/commands/simulate.ts';
import { testIo } from '../../support/fake-cluster.ts';
import { fileURLToPath } from 'node:url';
import { openNewFile } from '../../../cmd/cli/write-new-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'svctrace-directory-'));
const bundle = fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url));

async function requestOf<Command extends Request['command']>(
  command: Command,
  line: string,
): Promise<Extract<Request, { command: Command }>> {
  const parsed = await parseCommandLine([command, ...line.split(' ')], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== command) throw new Error(`no ${command}`);
  return parsed.request as Extract<Request, { command: Command }>;
}

const reads = 'cannot be read: it is a directory: name a file';
const writes = 'cannot be written: it is a directory: name a file';

it.each<[string, () => Promise<unknown>, Error]>([
  [
    '--ruleset',
    async () =>
      runSimulate(await requestOf('simulate', `--from 10.0.0.1 --to 10.0.0.2:80 --ruleset ${folder}`), testIo()),
    new UsageError(`--ruleset ${folder} ${reads}`),
  ],
  ['--bundle', async () => readBundle(folder), new UsageError(`--bundle ${folder} ${reads}`)],
  [
    'record --to',
    async () => runRecord(await requestOf('record', `auth-service --to ${folder}`), testIo()),
    new UsageError(`--to ${folder} ${writes}`),
  ],
  ...[false, true].map((overwrite): [string, () => Promise<unknown>, Error] => [
    `capture --to${overwrite ? ' --overwrite' : ''}`,
    async () => openNewFile(folder, overwrite),
    new UsageError(`--to ${folder} ${writes}`),
  ]),
  ...['', ' --overwrite'].map((flag): [string, () => Promise<unknown>, Error] => [
    `report --to${flag}`,
    async () => runReport(await requestOf('report', `--bundle ${bundle} --to ${folder}${flag}`), testIo()),
    new UsageError(`--to ${folder} ${writes}`),
  ]),
])('%s says that it is a directory', async (_flag, act, error) => {
  await expect(act()).rejects.toThrow(error);
});

it.each<[string, string[], string]>([
  ['--kubeconfig', ['--kubeconfig', folder], `The kubeconfig ${folder} ${reads}`],
  ...['--certificate-authority', '--client-certificate', '--client-key'].map((flag): [string, string[], string] => [
    flag,
    ['--server', 'https://one:6443', flag, folder],
    `${flag} ${folder} ${reads}`,
  ]),
])('%s says that it is a directory', async (_flag, words, message) => {
  const { flags } = await requestOf('dns', ['auth-service', ...words].join(' '));
  expect(() => loadKubeConfig(flags, { KUBECONFIG: '/nonexistent' })).toThrow(new ClusterError(message));
});
