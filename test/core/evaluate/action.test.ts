import { describe, expect, it } from 'vitest';
import { actionsText, chainEntered, effectText, type Action } from '../../../core/evaluate/action.ts';

const accept: Action = { kind: 'accept', word: 'ACCEPT' };
const texts: readonly (readonly [Action, string])[] = [
  [{ kind: 'count' }, 'count'],
  [{ kind: 'jump', chain: 'KUBE-SVC-X' }, 'jump KUBE-SVC-X'],
  [{ kind: 'goto', chain: 'service-x' }, 'goto service-x'],
  [accept, 'ACCEPT'],
  [{ kind: 'drop', word: 'drop' }, 'drop'],
  [{ kind: 'return', word: 'return' }, 'return'],
  [{ kind: 'reject', word: 'REJECT' }, 'REJECT'],
  [{ kind: 'refuse', reason: 'no real server' }, 'REJECT: no real server'],
  [{ kind: 'schedule', scheduler: 'rr' }, 'schedule by rr'],
  [{ kind: 'choice', inTurn: false }, 'random choice'],
  [{ kind: 'choice', inTurn: true }, 'choice in turn'],
  [
    {
      kind: 'dnatRanges',
      ranges: [
        { addresses: { from: '10.0.0.1', to: '10.0.0.2' }, ports: { from: 80, to: 80 } },
        { ports: { from: 81, to: 82 } },
      ],
    },
    'DNAT to 10.0.0.1-10.0.0.2:80 or :81-82',
  ],
  [
    {
      kind: 'dnat',
      destinations: [
        { address: '10.0.0.1', port: 80, share: 0.25 },
        { address: '10.0.0.2', port: 80, share: 0.75 },
      ],
    },
    'DNAT to 10.0.0.1:80 with probability 0.2500, 10.0.0.2:80 with probability 0.7500',
  ],
  [{ kind: 'dnat', destinations: [{ address: '10.0.0.1', port: 80, share: 1 }] }, 'DNAT to 10.0.0.1:80'],
  [{ kind: 'dnat', destinations: [{ address: 'fd00::1', port: 80, share: 1 }] }, 'DNAT to [fd00::1]:80'],
  [
    { kind: 'dnat', destinations: [{ address: '10.0.0.1', port: 80, share: 0.5, chosenBy: 'ClientHash' }] },
    'DNAT to 10.0.0.1:80, by hash of the client',
  ],
  [{ kind: 'dnatUnrouted', to: '0.0.0.0:80' }, 'DNAT to 0.0.0.0:80, to which nothing is routed: DROP'],
  [{ kind: 'masquerade' }, 'MASQUERADE'],
  [{ kind: 'snat' }, 'SNAT'],
  [{ kind: 'snat', to: '192.0.2.1' }, 'SNAT to 192.0.2.1'],
  [{ kind: 'mark', value: 0x4000 }, 'mark 0x4000'],
  [{ kind: 'mark', value: undefined }, 'mark unknown'],
  [{ kind: 'connectionMark', value: 1 }, 'connection mark 0x1'],
  [{ kind: 'connmark' }, 'CONNMARK'],
  [{ kind: 'untrack', word: 'notrack' }, 'notrack'],
  [{ kind: 'track' }, 'CT'],
  [{ kind: 'zone', zone: 7 }, 'zone 7'],
  [{ kind: 'set', field: 'ip dscp' }, 'ip dscp set'],
  [{ kind: 'remember', set: 'clients' }, 'remember in set clients'],
  [{ kind: 'forget', set: 'clients' }, 'forget in set clients'],
  [{ kind: 'target', name: 'TRACE' }, 'TRACE'],
  [{ kind: 'unknown', why: '-i eth0' }, 'unknown: -i eth0'],
  [{ kind: 'unknown', why: '-i eth0', isTakenAsNotMatching: true }, 'unknown: -i eth0 (taken as not matching)'],
];

describe('an action', () => {
  it.each(texts)('%j is printed as %s', (action, text) => {
    expect(actionsText([action])).toBe(text);
  });
});

it('prints all that a rule did, and with what chance', () => {
  const actions: readonly Action[] = [
    { kind: 'mark', value: 1 },
    { kind: 'jump', chain: 'X' },
  ];
  expect(effectText({ actions })).toBe('mark 0x1, jump X');
  expect(effectText({ actions, chance: 1 / 3 })).toBe('mark 0x1, jump X with probability 0.3333');
  expect(effectText({ actions: [] })).toBe('');
});

it.each<[string, readonly Action[], string | undefined]>([
  [
    'jumps',
    [
      { kind: 'mark', value: 1 },
      { kind: 'jump', chain: 'KUBE-NODEPORTS' },
    ],
    'KUBE-NODEPORTS',
  ],
  ['goes', [{ kind: 'goto', chain: 'X' }], 'X'],
  ['accepts', [accept], undefined],
  ['only names a chain in its words', [{ kind: 'unknown', why: 'jump X' }], undefined],
  ['did nothing', [], undefined],
])('knows where a rule leads that %s', (_name, actions, chain) => {
  expect(chainEntered({ actions })).toBe(chain);
});
