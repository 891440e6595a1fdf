/** Bundles that are cut, altered or of another version: each one sentence, never a trace that looks whole. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InvalidBundleError, parseBundle, printBundle } from '../../../core/wire/bundle.ts';
import { nodeReportRecordSchema } from '../../../core/wire/node-report.ts';

const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const fixtures = readdirSync(folder).filter((name) => name.endsWith('.svctrace'));
const read = (name: string): string => readFileSync(folder + name, 'utf8');
const auth = read('auth-service.svctrace');
const lines = auth.split('\n').slice(0, -1);
const header = (change: (head: Record<string, unknown>) => void): string => {
  const head = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  change(head);
  return [JSON.stringify(head), ...lines.slice(1), ''].join('\n');
};

describe('a bundle that is cut', () => {
  it.each(fixtures)('%s is reported at every line', (name) => {
    const whole = read(name).split('\n').slice(0, -1);
    expect(() => parseBundle(read(name))).not.toThrow();
    // A version that lists its nodes writes them behind each report, too.
    const bundle = parseBundle(read(name));
    const listed = printBundle({ ...bundle, nodes: bundle.answers.map(({ node }) => node) })
      .split('\n')
      .slice(0, -1);
    expect(listed).toHaveLength(whole.length);
    const silent = listed
      .map((_line, index) => index)
      .slice(1)
      .filter((count) => {
        try {
          parseBundle(`${listed.slice(0, count).join('\n')}\n`);
          return true;
        } catch (error) {
          if (error instanceof InvalidBundleError && error.message.startsWith('the file is cut: it ends '))
            return false;
          throw error;
        }
      });
    expect(silent).toEqual([]);
  });

  it.each([
    [1, 'behind its header, and lacks node-a, node-b, node-c'],
    [2, 'within the report of node-a'],
    [20, 'within the report of node-a'],
    [34, 'within the report of node-a'],
    [35, 'behind the report of node-a, and lacks node-b, node-c'],
    [112, 'within the report of node-c'],
  ])('behind line %i ends %s', (count, where) => {
    expect(() => parseBundle(`${lines.slice(0, count).join('\n')}\n`)).toThrow(`the file is cut: it ends ${where}`);
  });

  it('within a line', () => {
    expect(() => parseBundle(`${lines.slice(0, 20).join('\n').slice(0, -9)}`)).toThrow(
      'the file is cut: it ends within the report of node-a',
    );
  });
});

describe('a bundle that is altered', () => {
  it.each([
    [
      'of a newer version',
      header((head) => {
        head['version'] = 2;
      }),
      'written by a newer version',
    ],
    [
      'recorded yesterday',
      header((head) => {
        head['recordedAt'] = 'yesterday';
      }),
      'recordedAt is not a time of RFC 3339: yesterday',
    ],
    [
      'with a cluster IP that is none',
      auth.replace(/"clusterIPs":\["[^"]*"/, '"clusterIPs":["999.1.1.1"'),
      '999.1.1.1 is not an IP address',
    ],
    ['with a node twice', [...lines, ...lines.slice(1, 35), ''].join('\n'), 'node-a is there a second time'],
    ['that begins with a shell prompt', '$ cat x\n', 'line 1 is not a header of a bundle: $ cat x'],
    ['that is empty', '', 'the file is empty'],
  ])('%s', (_name, text, message) => {
    expect(() => parseBundle(text)).toThrow(InvalidBundleError);
    expect(() => parseBundle(text)).toThrow(message);
  });

  it.each([99999999999, -1, 0, 1.5])('with port %d', (port) => {
    const text = auth.replace(/"port":80,/, `"port":${String(port)},`);
    expect(text).not.toBe(auth);
    expect(() => parseBundle(text)).toThrow(InvalidBundleError);
  });

  it('with a byte order mark is read', () => {
    expect(parseBundle(`\uFEFF${auth}`).answers).toHaveLength(3);
  });
});

it.each([
  ['rules of iptables-nft, table nat', 'rules'],
  ['conntrack entries', 'other'],
])('knows of a record of an older probe, %s, which part was not read', (what, part) => {
  expect(nodeReportRecordSchema.parse({ kind: 'unread', what, reason: 'r' })).toEqual({
    kind: 'unread',
    what,
    reason: 'r',
    part,
  });
});
