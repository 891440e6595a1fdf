import { describe, expect, it } from 'vitest';
import { MapDumpError, parseMapDumps } from '../../../core/bpf/map-dump.ts';

const entry = '{"key":["0x01","0x00"],"value":["0x0a","0xff"]}';

describe('parseMapDumps', () => {
  it('reads bytes of each map, also where BTF names them, and of a map without entries', () => {
    const withBtf = `{"key":["0x02"],"value":["0x03"],"formatted":{"key":2,"value":{"address":3}}}`;
    const dumps = parseMapDumps(`{"one": [${entry},${withBtf}], "none": []}`);
    expect(dumps.get('one')).toEqual([
      { key: Uint8Array.of(1, 0), value: Uint8Array.of(10, 255) },
      { key: Uint8Array.of(2), value: Uint8Array.of(3) },
    ]);
    expect(dumps.get('none')).toEqual([]);
  });

  it('leaves out what was deleted while the map was read', () => {
    expect(parseMapDumps('{"one": [{"key":["0x01"],"value":{"error":"<no entry>"}}]}').get('one')).toEqual([]);
  });

  it.each([
    ['truncated JSON', `{"one": [${entry}`, 'it is not whole JSON'],
    ['a list', `[${entry}]`, 'it is not one JSON object of map names'],
    [
      'a map that bpftool could not open',
      '{"one": {"error":"bpf obj get: No such file"}}',
      'bpftool printed: bpf obj get',
    ],
    ['a map that is a word', '{"one": "no"}', 'map one is not a list of entries'],
    ['what BTF names alone, as without -j', '{"one": [{"key":1,"value":{"address":3}}]}', 'map one, entry 1'],
    ['a byte that is not one', `{"one": [${entry},{"key":["0x100"],"value":["0x00"]}]}`, 'map one, entry 2'],
    ['another error of an entry', '{"one": [{"key":["0x01"],"value":{"error":"Permission denied"}}]}', 'entry 1'],
    ['values of each processor', '{"one": [{"key":["0x01"],"values":[{"cpu":0,"value":["0x01"]}]}]}', 'entry 1'],
  ])('refuses %s', (_name, text, message) => {
    expect(() => parseMapDumps(text)).toThrow(MapDumpError);
    expect(() => parseMapDumps(text)).toThrow(message);
  });
});
