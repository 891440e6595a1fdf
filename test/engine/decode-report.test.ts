/** A report is decoded as a whole is parsed, however much other work has its turn meanwhile. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNodeReport } from '../../core/wire/node-report.ts';
import { decodeReport } from '../../engine/decode-report.ts';
import { manyEndpoints } from '../../bench/many-endpoints.ts';

const start =
  '{"kind":"start","version":1,"node":"node-a","addresses":[],"startedAt":"2026-11-24T10:00:00Z","kernel":"6.1","probeVersion":"0.1.0"}';
const outcome = async (parse: () => unknown): Promise<unknown> => {
  try {
    return await parse();
  } catch (error) {
    return String(error);
  }
};

describe('a report that is decoded between other work', () => {
  it('is what it is where it is parsed at once, and so is what is wrong with it', async () => {
    const line = fc.constantFrom(
      start,
      '',
      ' ',
      '{"kind":"end","durationMilliseconds":3}',
      '{',
      '{"kind":"no"}',
      'x\r',
    );
    expect(parseNodeReport(start).node).toBe('node-a');
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.constantFrom('\n', '\r\n'), async (lines, end) => {
        const text = lines.join(end);
        expect(await outcome(() => decodeReport(text))).toEqual(await outcome(() => parseNodeReport(text)));
      }),
    );
  });

  it('leaves turns to other work, and is whole', async () => {
    const { answers } = await manyEndpoints('iptables', 600);
    const [answer] = answers;
    if (answer === undefined || !('report' in answer)) throw new Error('the node answered');
    const text = answer.report.records.map((record) => `${JSON.stringify(record)}\n`).join('');
    let turns = 0;
    const other = setInterval(() => (turns += 1), 0);
    const report = await decodeReport(text);
    clearInterval(other);
    expect(report.records).toEqual(parseNodeReport(text).records);
    expect(report.complete).toBe(true);
    expect(turns).toBeGreaterThan(0);
  });
});
