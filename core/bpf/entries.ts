/** Entries of one map, each of the size that its layout has. */
import { MapDumpError, type MapDumps, type MapEntry } from './map-dump.ts';

export interface BpfEntry extends MapEntry {
  /** @throws MapDumpError with the map, the entry and what is wrong of it */
  readonly refuse: (why: string) => never;
}

/**
 * @param layout sizes of key and value, in bytes
 * @returns undefined where the map was not dumped
 * @throws MapDumpError where an entry has another size
 */
export function entriesOf(
  dumps: MapDumps,
  name: string,
  layout: { readonly key: number; readonly value: number },
): readonly BpfEntry[] | undefined {
  return dumps.get(name)?.map((entry, index): BpfEntry => {
    const refuse = (why: string): never => {
      throw new MapDumpError(`map ${name}, entry ${String(index + 1)}: ${why}`);
    };
    const { key, value } = entry;
    if (key.length !== layout.key || value.length !== layout.value)
      refuse(
        `its key has ${String(key.length)} bytes and its value ${String(value.length)}, where ${String(layout.key)} and ${String(layout.value)} are known; another version's layout is not guessed`,
      );
    return { ...entry, refuse };
  });
}
