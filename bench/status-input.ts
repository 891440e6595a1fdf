/** What bench/status.ts measures, as it stands in files: a status' input as JSON, and each node's report as its probe prints it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bundle } from '../core/wire/bundle.ts';
import { statusInputOf, type StatusInput } from '../core/status/input.ts';

export interface WrittenInput {
  readonly input: Omit<StatusInput, 'answers'>;
  readonly answers: readonly {
    readonly node: string;
    readonly collectedAt: string;
    readonly askedAt?: string;
    /** Beside input.json. */
    readonly file: string;
  }[];
}

export function writeInput(folder: string, bundle: Bundle): void {
  mkdirSync(folder);
  const { answers, ...input } = statusInputOf(bundle);
  const written = answers.map((answer, index) => {
    if (!('report' in answer)) throw new Error(`${answer.node} did not answer`);
    const { report, ...rest } = answer;
    const file = `${String(index)}.ndjson`;
    writeFileSync(join(folder, file), report.records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    return { ...rest, file };
  });
  writeFileSync(join(folder, 'input.json'), JSON.stringify({ input, answers: written } satisfies WrittenInput));
}
