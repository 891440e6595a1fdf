/**
 * Writes the pages of docs/ that come from elsewhere: findings.md from the catalogue, servicetrace.md from the CRD,
 * decisions/README.md from the decisions. `node scripts/generate-docs.ts`; with --check it fails where a page is stale.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { parse } from 'yaml';
import * as z from 'zod';
import { catalogue } from '../core/diagnose/catalogue.ts';
import { severityText } from '../core/diagnose/checks/finding.ts';
import { notLookedFor } from '../core/diagnose/not-looked-for.ts';
import { present } from '../core/lib/present.ts';

const root = new URL('../', import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), 'utf8');

function findingsPage(): string {
  return [
    '# Findings',
    '',
    'Everything that `kubectl svctrace` can find, in the order in which it is decided. Written by `npm run generate` from',
    'core/diagnose/findings; `kubectl svctrace findings ID` says the same.',
    '',
    ...catalogue.flatMap(({ id, severity, otherSeverities, condition, notReported, source }) => [
      `## ${id}`,
      `*${severityText({ severity, ...present({ otherSeverities }) })}.* ${condition}`,
      ...(notReported === undefined ? [] : ['', `Not reported: ${notReported}`]),
      '',
      `Source: ${source}`,
      '',
    ]),
    '# Not looked for',
    '',
    'What goes wrong with Services too, and cannot be decided from what is collected.',
    '',
    ...notLookedFor.flatMap(({ id, what, why }) => [`## ${id}`, what, '', `Not found, because: ${why}`, '']),
  ].join('\n');
}

interface Schema {
  readonly type?: string | undefined;
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly required?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  readonly items?: Schema | undefined;
  readonly additionalProperties?: Schema | boolean | undefined;
}
const schema: z.ZodType<Schema> = z.lazy(() =>
  z.looseObject({
    type: z.string().optional(),
    description: z.string().optional(),
    default: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    required: z.array(z.string()).optional(),
    properties: z.record(z.string(), schema).optional(),
    items: schema.optional(),
    additionalProperties: z.union([schema, z.boolean()]).optional(),
  }),
);
const crd = z.object({
  spec: z.object({
    versions: z.array(z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: schema }) })).length(1),
  }),
});

/** One row for each field below `at`, depth first, in the order of the CRD. */
function fieldRows(at: string, { properties = {}, required = [] }: Schema): string[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = `${at}.${name}`;
    const inner =
      field.items ?? (typeof field.additionalProperties === 'object' ? field.additionalProperties : undefined) ?? field;
    const kind = field.items === undefined ? (field.type ?? 'any') : `list of ${field.items.type ?? 'any'}`;
    const says = [
      field.description ?? inner.description ?? '',
      ...(inner.enum === undefined ? [] : [`One of: ${inner.enum.map(String).join(', ')}.`]),
      ...(field.default === undefined ? [] : [`Default: \`${JSON.stringify(field.default)}\`.`]),
    ];
    return [
      `| \`${path}\` | ${kind} | ${required.includes(name) ? 'yes' : ''} | ${says
        .join(' ')
        .trim()
        .replaceAll('|', '\\|')
        .replaceAll(/\s+/g, ' ')} |`,
      ...fieldRows(field.items === undefined ? path : `${path}[]`, inner),
    ];
  });
}

async function referencePage(): Promise<string> {
  const [version] = crd.parse(parse(await read('crds/servicetraces.yaml'))).spec.versions;
  const { spec, status } = version?.schema.openAPIV3Schema.properties ?? {};
  if (version === undefined || spec === undefined || status === undefined)
    throw new Error('crds/servicetraces.yaml: a version with spec and status is missing');
  const table = (name: string, of: Schema): string[] => [
    `## ${name}`,
    '',
    of.description ?? '',
    '',
    '| field | type | required | meaning |',
    '|---|---|---|---|',
    ...fieldRows(name, of),
    '',
  ];
  return [
    `# ServiceTrace, svctrace.io/${version.name}`,
    '',
    'Every field of a trace. Written by `npm run generate` from crds/servicetraces.yaml; `kubectl explain servicetrace`',
    'says the same on a cluster that has it.',
    '',
    ...table('spec', spec),
    ...table('status', status),
  ].join('\n');
}

async function decisionsPage(): Promise<string> {
  const files = (await readdir(new URL('docs/decisions/', root))).filter((name) => /^\d/.test(name)).sort();
  const rows = await Promise.all(
    files.map(async (file) => {
      const text = await read(`docs/decisions/${file}`);
      const head = /^# (?<number>\d+) (?<title>.+)\n\nDate: (?<date>[\d-]+)\. Status: (?<status>[^.\n]+)\.\n/.exec(
        text,
      );
      if (head?.groups === undefined)
        throw new Error(
          `docs/decisions/${file} must begin with "# NUMBER TITLE", an empty line, and "Date: YYYY-MM-DD. Status: accepted."`,
        );
      const { number = '', title = '', date = '', status = '' } = head.groups;
      return `| [${number}](${file}) | ${title.replaceAll('|', '\\|')} | ${date} | ${status} |`;
    }),
  );
  return [
    '# Decisions',
    '',
    'Why it is as it is: context, choice, what it costs. Written by `npm run generate` from the heads of the notes. A',
    'decision that no longer holds keeps its note, with the status "superseded by NUMBER".',
    '',
    '| | decision | date | status |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const pages: Readonly<Record<string, string>> = {
  'docs/findings.md': findingsPage(),
  'docs/servicetrace.md': await referencePage(),
  'docs/decisions/README.md': await decisionsPage(),
};
for (const [path, text] of Object.entries(pages)) {
  if (!process.argv.includes('--check')) await writeFile(new URL(path, root), text);
  else if ((await read(path).catch(() => '')) !== text)
    throw new Error(`${path} is stale: run \`npm run generate\` and commit the result`);
}
