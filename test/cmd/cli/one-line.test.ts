/** Errors of libraries and servers have several lines; a user gets one sentence. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { ApiError } from '../../../cmd/cluster/api.ts';
import { ClusterError } from '../../../cmd/cli/errors.ts';
import { explainError } from '../../../cmd/cluster/explain-error.ts';
import { loadKubeConfig } from '../../../cmd/cluster/kube-config.ts';
import { oneLine, reasonOf } from '../../../cmd/cli/one-line.ts';
import { messageStream } from '../../../cmd/cli/streams.ts';
import { flagsFor } from '../../support/api-server.ts';

it.each([
  ['one sentence', 'one sentence'],
  ['one\nand two\r\nand three', 'one and two and three'],
  ['at line 1, column 3:\n\n  a: {b\n     ^\n', 'at line 1, column 3'],
  ['  spec.ports: Invalid value\n  spec.type: required\n', 'spec.ports: Invalid value spec.type: required'],
  ['', ''],
])('%j becomes %j', (text, line) => {
  expect(oneLine(text)).toBe(line);
});

it('a parser that shows the place is quoted without its picture', () => {
  let error: unknown;
  try {
    parse('a: [1,\nb: }');
  } catch (thrown) {
    error = thrown;
  }
  // The very reason for this: what the library says has lines.
  expect((error as Error).message).toContain('\n');
  expect(reasonOf(error)).toMatch(/^[^\n]+ at line \d+, column \d+$/);
});

it('a kubeconfig that is not YAML is reported in one sentence, with nothing escaped', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'svctrace-kubeconfig-')), 'config');
  await writeFile(file, 'clusters: [\nusers: }');
  let error: unknown;
  try {
    loadKubeConfig({ ...flagsFor('https://none'), kubeconfig: file }, { HOME: '/nonexistent' });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ClusterError);
  let written = '';
  messageStream({
    write: (text) => {
      written += text;
    },
  }).write(`${reasonOf(error)}\n`);
  expect(written).toContain(`The kubeconfig ${file} cannot be read:`);
  expect(written.trimEnd()).not.toMatch(/\n|\\n|\\x0a/);
});

it('what the API server refuses for several reasons is one sentence', () => {
  const error = explainError(
    new ApiError(422, 'Invalid', 'ServiceTrace "x" is invalid: \n* spec.a: wrong\n* spec.b: wrong', 'servicetraces'),
  );
  expect((error as Error).message).toBe(
    'The API server refused: ServiceTrace "x" is invalid: * spec.a: wrong * spec.b: wrong (Invalid).',
  );
});

it('hides no control character', () => {
  expect(oneLine('a\rb\u001b[2Jc')).toBe('a\rb\u001b[2Jc');
});
