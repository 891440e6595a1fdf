/** A probe whose node was taken over says what it likes: that may spoil what is said of its node, and of no other one. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { statusInputOf } from '../../../core/status/input.ts';
import { buildStatus } from '../../../core/status/status.ts';
import { parseBundle } from '../../../core/wire/bundle.ts';
import { NodeReportError, parseNodeReport } from '../../../core/wire/node-report.ts';
import type { NodeAnswer } from '../../../core/wire/node-report.ts';

const recorded = parseBundle(readFileSync(new URL('../../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
const liar = 'node-b';
const records = recorded.answers.flatMap((answer) =>
  answer.node === liar && 'report' in answer ? answer.report.records : [],
);

function statusWith(answer: NodeAnswer): ServiceTraceStatus {
  const answers = recorded.answers.map((each) => (each.node === liar ? answer : each));
  return buildStatus(statusInputOf({ ...recorded, answers }));
}

/** The rows of the other nodes, and what is found of one of them alone. */
function others({ nodes = [], findings = [] }: ServiceTraceStatus): unknown {
  return {
    nodes: nodes.filter(({ name }) => name !== liar),
    findings: findings.filter(({ node }) => node !== undefined && node !== liar),
  };
}

const honest = others(statusWith({ node: liar, state: 'Failed', reason: 'TimedOut', message: 'no answer' }));

/** Texts that a liar would write: of the true ones, of the other nodes, and of nothing. */
const lies = fc.oneof(
  fc.constantFrom('node-a', 'node-c', '10.96.0.10', 'default/auth-service:http', 'KUBE-SERVICES', '\u001b[2J', ''),
  fc.string({ unit: 'binary', maxLength: 300 }),
);

/** One of the record's values is another one; which one, and what, the numbers say. */
function altered(value: unknown, place: number, lie: string, number: number): unknown {
  let left = place;
  const into = (each: unknown): unknown => {
    if (typeof each === 'object' && each !== null)
      return Array.isArray(each)
        ? each.map(into)
        : Object.fromEntries(Object.entries(each).map(([key, one]) => [key, into(one)]));
    left -= 1;
    if (left !== -1) return each;
    if (typeof each === 'string') return lie;
    if (typeof each === 'number') return number;
    return each !== true;
  };
  return into(value);
}

it('harms its own row alone', () => {
  let taken = 0;
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          record: fc.nat({ max: records.length - 1 }),
          place: fc.nat({ max: 60 }),
          lie: lies,
          number: fc.oneof(fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true })),
          times: fc.constantFrom(0, 1, 1, 2, 50),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      (alterations) => {
        const lines = records.flatMap((record, index) => {
          const own = alterations.filter((alteration) => alteration.record === index);
          const alteredRecord = own.reduce<unknown>(
            (each, { place, lie, number }) => altered(each, place, lie, number),
            record,
          );
          return Array.from({ length: own[0]?.times ?? 1 }, () => JSON.stringify(alteredRecord));
        });
        try {
          const report = parseNodeReport(lines.join('\n'));
          taken += 1;
          expect(others(statusWith({ node: liar, report, collectedAt: recorded.recordedAt }))).toEqual(honest);
        } catch (error) {
          // A line that does not parse is refused, and the node did not answer.
          if (!(error instanceof NodeReportError)) throw error;
        }
      },
    ),
    { numRuns: 60 },
  );
  expect(taken).toBeGreaterThan(10);
});
