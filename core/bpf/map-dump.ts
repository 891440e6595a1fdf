/** Maps of eBPF as `bpftool -j map dump` prints them: one JSON object of dumps by the name of the pin. */
import * as z from 'zod';

/** One entry of a map, byte by byte as the kernel keeps it. */
export interface MapEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Entries by the name of the map's pin, such as cilium_lb4_services_v2. */
export type MapDumps = ReadonlyMap<string, readonly MapEntry[]>;

/** Thrown where a dump does not have the form that it must have: the map, the entry, and what is wrong with it. */
export class MapDumpError extends Error {
  override readonly name = 'MapDumpError';
}

const bytesSchema = z
  .array(z.string().regex(/^0x[0-9a-f]{2}$/))
  .min(1)
  .transform((bytes) => Uint8Array.from(bytes, Number));
/** An entry that was deleted while bpftool read the map (print_entry_error in tools/bpf/bpftool/map.c). */
const goneSchema = z.strictObject({ error: z.enum(['<no entry>', 'No such file or directory']) });
const entrySchema = z.strictObject({
  key: bytesSchema,
  value: z.union([bytesSchema, goneSchema]),
  /** The same by the types of BTF, where the map has them; the bytes are exact. */
  formatted: z.unknown().optional(),
});
const failedSchema = z.looseObject({ error: z.string() });

/** @throws MapDumpError */
export function parseMapDumps(text: string): MapDumps {
  return new Map(Object.entries(objectOf(text)).map(([name, dump]) => [name, entriesOf(name, dump)]));
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new MapDumpError(
      `it is not whole JSON (${error instanceof Error ? error.message : String(error)}); give one object of map names, each with what bpftool -j map dump printed`,
      { cause: error },
    );
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(json);
  if (!parsed.success)
    throw new MapDumpError('it is not one JSON object of map names, each with what bpftool -j map dump printed');
  return parsed.data;
}

function entriesOf(name: string, dump: unknown): MapEntry[] {
  const failed = failedSchema.safeParse(dump);
  if (failed.success)
    throw new MapDumpError(`map ${name} was not dumped, for bpftool printed: ${failed.data.error}; leave it out`);
  if (!Array.isArray(dump))
    throw new MapDumpError(`map ${name} is not a list of entries; give what bpftool -j map dump printed of it`);
  return dump.flatMap((each: unknown, index): MapEntry[] => {
    const entry = entrySchema.safeParse(each);
    if (!entry.success)
      throw new MapDumpError(
        `map ${name}, entry ${String(index + 1)}: it does not have the bytes of a key and of a value ("0x0a"), as bpftool -j map dump prints them (with -j, also where the map has BTF)`,
      );
    const { key, value } = entry.data;
    return value instanceof Uint8Array ? [{ key, value }] : [];
  });
}
