/** What a question of a watch shows: a node may say that all changes were given only where nothing is left that no question shows. */
import { Readable } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import type { NodeReportRecord } from '../../../core/wire/node-report.ts';
import type { Commands } from '../../../probe/io/commands.ts';
import { PolledRules } from '../../../probe/watch/polled-rules.ts';

const tables = (...legacy: string[]): NodeReportRecord => ({
  kind: 'tables',
  nftables: [],
  legacy: { IPv4: legacy, IPv6: [] },
  ipvs: false,
});
const legacyChain: NodeReportRecord = {
  kind: 'iptablesChain',
  service: 'shop/auth',
  backend: 'legacy',
  family: 'IPv4',
  table: 'nat',
  chain: 'KUBE-SERVICES',
  scope: 'matching',
  absent: false,
  lines: [],
};
const ipvs: NodeReportRecord = { kind: 'ipvs', service: 'shop/auth', family: 'IPv4', lines: [] };

let polled: PolledRules | undefined;
afterEach(() => polled?.end());

/** @param whole what the program that compares tables says of them */
function watching(records: readonly NodeReportRecord[], whole: '0' | '1' = '1'): PolledRules {
  const commands: Commands = {
    stream: async (_argv, onLine, input) => {
      if (!(input instanceof Readable)) throw new Error('it is written to');
      for await (const chunk of input)
        for (const line of String(chunk).trimEnd().split('\n')) {
          const [what, id = ''] = line.split(' ');
          if (what === 'tables') onLine(`d 0.000000 5.000000 ${whole}`);
          if (what === 'ask') onLine(`a ${id}`);
        }
      return { status: 0, problem: '', errors: [] };
    },
  };
  polled = new PolledRules(commands, () => undefined);
  polled.learn([...records], 1);
  return polled;
}

it.each([
  ['legacy tables that are compared', [tables('nat'), legacyChain], '1', true],
  ['legacy tables of which one is too large', [tables('nat'), legacyChain], '0', false],
  ['legacy tables whose names nobody knows', [tables(), legacyChain], '1', false],
  ['virtual servers, beside which there are IP sets', [tables(), ipvs], '1', false],
  ['legacy tables beside virtual servers', [tables('nat'), legacyChain, ipvs], '1', false],
  ['none of them', [tables()], '1', true],
] as const)('a question shows all changes of %s: %4$s', async (_name, records, whole, isShown) => {
  expect(await watching(records, whole).ask()).toBe(isShown);
});
