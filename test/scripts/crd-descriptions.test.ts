/** `kubectl explain servicetrace.…` has a sentence for each field. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';

interface Schema {
  readonly description?: string | undefined;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  readonly items?: Schema | undefined;
  readonly additionalProperties?: Schema | undefined;
}
const schema: z.ZodType<Schema> = z.lazy(() =>
  z.object({
    description: z.string().optional(),
    properties: z.record(z.string(), schema).optional(),
    items: schema.optional(),
    additionalProperties: schema.optional(),
  }),
);
const crd = z
  .object({
    spec: z.object({
      versions: z.array(z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: schema }) })),
    }),
  })
  .parse(parse(readFileSync(new URL('../../crds/servicetraces.yaml', import.meta.url), 'utf8')));

function* fieldsOf(
  { properties = {}, items, additionalProperties }: Schema,
  path: string,
): Generator<[string, Schema]> {
  for (const [name, field] of Object.entries(properties)) {
    yield [`${path}.${name}`, field];
    yield* fieldsOf(field, `${path}.${name}`);
  }
  if (items !== undefined) yield* fieldsOf(items, path);
  if (additionalProperties !== undefined) yield* fieldsOf(additionalProperties, path);
}

it.each(crd.spec.versions)(
  'of $name say of each field what it is, in a sentence',
  ({ schema: { openAPIV3Schema } }) => {
    // The API server allows none for metadata, and explains it itself.
    const fields = [...fieldsOf(openAPIV3Schema, 'servicetrace')].filter(([path]) => path !== 'servicetrace.metadata');
    expect(fields.length).toBeGreaterThan(300);
    expect(
      fields.filter(([, { description = '' }]) => !/^\S.*[.]$/s.test(description.trim())).map(([path]) => path),
    ).toEqual([]);
  },
);
