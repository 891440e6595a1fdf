/**
 * Reads Services from the legacy tables of the namespace that it is run in, for test/kernel/legacy-table.test.ts: from the
 * kernel's table, and from what the tool prints. Requests as JSON on standard input, both readings on standard output.
 */
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import { realCommands, type Commands } from '../../probe/io/commands.ts';
import { readLegacyBackend } from '../../probe/rules/read-iptables-legacy.ts';

const requestsSchema = z.array(
  z.object({
    family: z.enum(['IPv4', 'IPv6']),
    tables: z.array(z.string()),
    services: z.array(z.unknown()),
  }),
);
export interface LegacyRequest {
  readonly family: 'IPv4' | 'IPv6';
  readonly tables: readonly string[];
  readonly services: readonly ProbeRequestService[];
}

const readingSchema = z.object({ programs: z.array(z.string()), records: z.array(z.unknown()) });
export const readingsSchema = z.array(z.object({ fromKernel: readingSchema, fromText: readingSchema }));

type Reading = z.infer<typeof readingSchema>;

async function read({ family, tables, services }: LegacyRequest, withKernel: boolean): Promise<Reading> {
  const programs: string[] = [];
  const { stream, talk } = realCommands();
  const commands: Commands = {
    stream: (argv, onLine, input) => {
      programs.push(argv[0]);
      return stream(argv, onLine, input);
    },
    ...(withKernel && talk !== undefined
      ? {
          talk: (argv) => {
            programs.push(argv[0]);
            return talk(argv);
          },
        }
      : {}),
  };
  const records: NodeReportRecord[] = [];
  await readLegacyBackend(commands, family, new Set(tables), services, (record) => {
    records.push(record);
  });
  return { programs, records };
}

if (import.meta.main) {
  const requests = requestsSchema.parse(JSON.parse(await text(process.stdin))) as LegacyRequest[];
  const readings: z.infer<typeof readingsSchema> = [];
  for (const request of requests)
    readings.push({ fromKernel: await read(request, true), fromText: await read(request, false) });
  process.stdout.write(`${JSON.stringify(readings)}\n`);
}
