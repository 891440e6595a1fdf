/** How the operator is started in its image: config/image/Containerfile says it, for the real image, the tests' own and the benchmarks. */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { root } from './bundle-options.ts';

const file = `${root}config/image/Containerfile`;

/**
 * The program with its arguments, `/usr/local/bin/node … /operator.mjs`.
 * @throws where the file does not say it in a list
 */
export function operatorEntrypoint(): string[] {
  const [, stage = ''] = readFileSync(file, 'utf8').split(/^FROM .* AS operator$/m);
  const list = /^ENTRYPOINT (\[.*\])$/m.exec(stage)?.[1];
  if (list === undefined) throw new Error(`${file}: the stage operator has no ENTRYPOINT that is a list`);
  return z.array(z.string()).parse(JSON.parse(list));
}

/** The flags of node and V8 among them. */
export function operatorNodeFlags(): string[] {
  return operatorEntrypoint().slice(1, -1);
}
