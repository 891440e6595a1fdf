import { describe, expect, it } from 'vitest';
import { NotFoundError } from '../../../cmd/cli/errors.ts';
import type { Io } from '../../../cmd/cli/io.ts';
import { runFindings } from '../../../cmd/commands/findings.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { catalogue } from '../../../core/diagnose/catalogue.ts';
import { notLookedFor } from '../../../core/diagnose/not-looked-for.ts';

async function printed(...args: string[]): Promise<string> {
  const parsed = await parseCommandLine(['findings', ...args], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'findings') throw new Error('not a request for findings');
  let text = '';
  const io: Io = {
    stdout: { write: (more) => (text += more) },
    stderr: { write: () => undefined },
    stdin: {},
    env: { COLUMNS: '80' },
    signal: new AbortController().signal,
  };
  expect(runFindings(parsed.request, io)).toBe(0);
  return text;
}

describe('findings', () => {
  it('lists every kind, in lines that fit', async () => {
    const lines = (await printed()).trimEnd().split('\n');
    expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(catalogue.map(({ id }) => id));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('explains one, whatever its case', async () => {
    expect(await printed('rule-ep-stale')).toMatch(
      /^RULE-EP-STALE \(error\)\nReported when: .+\nNot reported: .+\nSource: /,
    );
  });

  it('says why it does not look for one', async () => {
    await expect(printed('sys-mtu')).rejects.toThrow(
      'SYS-MTU is not looked for. Large packets are lost on the packet path to a pod',
    );
    expect(catalogue.filter(({ id }) => notLookedFor.some((each) => each.id === id))).toEqual([]);
  });

  it('prints the same as JSON', async () => {
    const [first] = catalogue;
    expect(JSON.parse(await printed('-o', 'json'))).toHaveLength(catalogue.length);
    expect(JSON.parse(await printed(first?.id ?? '', '-o', 'json'))).toMatchObject({
      id: first?.id,
      condition: first?.condition,
    });
  });

  it('names what is near an id that there is not', async () => {
    await expect(printed('rule-ep-stail')).rejects.toThrow(
      new NotFoundError(
        'There is no finding "rule-ep-stail"; near: RULE-EP-STALE; kubectl svctrace findings lists all.',
      ),
    );
  });
});
