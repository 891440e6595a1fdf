import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { effectText } from '../../../core/evaluate/action.ts';
import { scheduleIpvs, type IpvsOutcome, type IpvsPacket } from '../../../core/evaluate/schedule-ipvs.ts';
import { summarize } from '../../../core/program/walk-packet.ts';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { mergeRulesets, parseRulesetFile } from '../../../core/ruleset/read-dumps.ts';
import { parseIpvsadm } from '../../../core/ipvs/parse.ts';

function schedule(saved: string, to: string): IpvsOutcome {
  const { result, problems } = parseIpvsadm(saved);
  expect(problems).toEqual([]);
  const [, destination = '', port = '', protocol = 'tcp', mark = '0'] =
    /^(\S+)#(\d+)(?:\/(\w+))?(?: mark (\d+))?$/.exec(to) ?? [];
  return scheduleIpvs(result.virtualServers, {
    destination,
    destinationPort: Number(port),
    protocol: protocol.toUpperCase() as IpvsPacket['protocol'],
    mark: Number(mark),
  });
}

/** `10.244.1.2:8080 0.5 10.244.2.2:8080 0.5`, or `passed: REASON`. */
function inWords(outcome: IpvsOutcome): string {
  if (outcome.kind !== 'scheduled') return `${outcome.kind}: ${outcome.reason}`;
  const candidates = outcome.candidates.map(
    ({ address, port, probability }) => `${address}:${port} ${probability === undefined ? '?' : String(probability)}`,
  );
  return [
    ...candidates,
    ...(outcome.mayRefuse ? ['or refused'] : []),
    ...(outcome.reason === undefined ? [] : [`(${outcome.reason})`]),
  ].join(' ');
}

const server = (options: string, weights: readonly number[], name = '-t 10.96.0.7:80'): string =>
  [
    `-A ${name} ${options}`,
    ...weights.map((weight, index) => `-a ${name} -r 10.244.${index + 1}.2:8080 -m -w ${weight}`),
  ].join('\n');

const rows: [string, string, string, string][] = [
  [
    'rr gives equal shares',
    server('-s rr', [1, 1, 1, 1]),
    '10.96.0.7#80',
    '10.244.1.2:8080 0.25 10.244.2.2:8080 0.25 10.244.3.2:8080 0.25 10.244.4.2:8080 0.25',
  ],
  [
    'rr looks at no weight but 0',
    server('-s rr', [9, 0, 1]),
    '10.96.0.7#80',
    '10.244.1.2:8080 0.5 10.244.3.2:8080 0.5',
  ],
  [
    'wrr gives shares by weight',
    server('-s wrr', [3, 0, 1]),
    '10.96.0.7#80',
    '10.244.1.2:8080 0.75 10.244.3.2:8080 0.25',
  ],
  ['one real server is certain, whatever the scheduler', server('-s wlc', [0, 4]), '10.96.0.7#80', '10.244.2.2:8080 1'],
  [
    'lc depends on load',
    server('-s lc', [1, 1]),
    '10.96.0.7#80',
    '10.244.1.2:8080 ? 10.244.2.2:8080 ? (lc chooses by the connections that each real server has at that moment)',
  ],
  [
    'sh depends on the client',
    server('-s sh', [1, 1]),
    '10.96.0.7#80',
    "10.244.1.2:8080 ? 10.244.2.2:8080 ? (sh chooses by a hash of the client's address)",
  ],
  [
    'sh refuses clients of a real server that drains',
    server('-s sh', [1, 0]),
    '10.96.0.7#80',
    "10.244.1.2:8080 ? or refused (sh chooses by a hash of the client's address, and clients whose hash falls on a real server of weight 0 are refused)",
  ],
  ['sh with its fallback refuses none', server('-s sh -b sh-fallback', [1, 0]), '10.96.0.7#80', '10.244.1.2:8080 1'],
  [
    'lblc remembers',
    server('-s lblc', [1, 1]),
    '10.96.0.7#80',
    '10.244.1.2:8080 ? 10.244.2.2:8080 ? (lblc chooses by where earlier connections to the same destination went, and by load)',
  ],
  ['fo takes the heaviest', server('-s fo', [1, 5, 2]), '10.96.0.7#80', '10.244.2.2:8080 1'],
  [
    'fo with two of them',
    server('-s fo', [5, 5]),
    '10.96.0.7#80',
    '10.244.1.2:8080 ? 10.244.2.2:8080 ? (fo takes the first real server of the highest weight, and several have it)',
  ],
  [
    'a scheduler of tomorrow',
    server('-s dice', [1, 1]),
    '10.96.0.7#80',
    '10.244.1.2:8080 ? 10.244.2.2:8080 ? (how the scheduler dice chooses is not known)',
  ],
  [
    'thresholds',
    `${server('-s rr', [1])}\n-a -t 10.96.0.7:80 -r 10.244.9.2:8080 -m -w 1 -x 100`,
    '10.96.0.7#80',
    '10.244.1.2:8080 ? 10.244.9.2:8080 ? or refused (real servers have thresholds of connections, and one that is over its own gets none)',
  ],
  [
    'persistence',
    server('-s rr -p 10800', [1, 1]),
    '10.96.0.7#80',
    '10.244.1.2:8080 0.5 10.244.2.2:8080 0.5 (a client that came before stays with its real server while the persistence lasts)',
  ],
  ['no real server', server('-s rr', []), '10.96.0.7#80', 'refused: the virtual server has no real server'],
  ['real servers that drain', server('-s rr', [0, 0]), '10.96.0.7#80', 'refused: all 2 real servers have weight 0'],
  [
    'a port without virtual server',
    server('-s rr', [1]),
    '10.96.0.7#81',
    'passed: no virtual server of IPVS is for 10.96.0.7 port 81/tcp',
  ],
  [
    'another protocol',
    server('-s rr', [1]),
    '10.96.0.7#80/udp',
    'passed: no virtual server of IPVS is for 10.96.0.7 port 80/udp',
  ],
  [
    'IPv6, however it is written',
    '-A -u [fd00:10:96::a]:53 -s rr\n-a -u [fd00:10:96::a]:53 -r [fd00::3]:53 -m -w 1',
    'fd00:10:96:0:0:0:0:a#53/udp',
    'fd00::3:53 1',
  ],
  [
    'the firewall mark first',
    `${server('-s rr', [1])}\n-A -f 7 -s rr\n-a -f 7 -r 10.244.9.9:0 -g -w 1`,
    '10.96.0.7#80 mark 7',
    '10.244.9.9:80 1',
  ],
  [
    'a firewall mark of the other family',
    `${server('-s rr', [1])}\n-A -f 7 -6 -s rr`,
    '10.96.0.7#80 mark 7',
    '10.244.1.2:8080 1',
  ],
  [
    'the exact port before that of all ports',
    `${server('-s rr', [1])}\n-A -t 10.96.0.7:0 -s rr -p 60\n-a -t 10.96.0.7:0 -r 10.244.9.9:0 -m -w 1`,
    '10.96.0.7#80',
    '10.244.1.2:8080 1',
  ],
  [
    'all ports, with persistence',
    '-A -t 10.96.0.7:0 -s rr -p 60\n-a -t 10.96.0.7:0 -r 10.244.9.9:0 -m -w 1',
    '10.96.0.7#99',
    '10.244.9.9:99 1 (a client that came before stays with its real server while the persistence lasts)',
  ],
  [
    'all ports without persistence',
    '-A -t 10.96.0.7:0 -s rr\n-a -t 10.96.0.7:0 -r 10.244.9.9:0 -m -w 1',
    '10.96.0.7#99',
    'refused: a virtual server of all ports schedules nothing without persistence',
  ],
  [
    'a data connection of FTP',
    '-A -t 10.96.0.7:21 -s rr\n-a -t 10.96.0.7:21 -r 10.244.9.9:21 -m -w 1',
    '10.96.0.7#2121',
    'passed: the virtual server of FTP leaves 10.96.0.7 port 2121/tcp alone',
  ],
];

describe('scheduleIpvs', () => {
  it.each(rows)('%s', (_name, saved, to, expected) => {
    expect(inWords(schedule(saved, to))).toBe(expected);
  });

  it('gives shares that sum to 1 wherever it gives any, and none to a real server of weight 0', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('rr', 'wrr', 'wlc', 'lc', 'sh', 'mh', 'fo', 'nq'),
        fc.array(fc.nat({ max: 5 }), { maxLength: 6 }),
        (scheduler, weights) => {
          const outcome = schedule(server(`-s ${scheduler}`, weights), '10.96.0.7#80');
          expect(outcome.kind).toBe(weights.some((weight) => weight > 0) ? 'scheduled' : 'refused');
          if (outcome.kind !== 'scheduled') return;
          expect(outcome.candidates.every(({ realServer }) => realServer.weight > 0)).toBe(true);
          const shares = outcome.candidates.map(({ probability }) => probability);
          if (shares.includes(undefined)) expect(outcome.reason).toBeDefined();
          else expect(shares.reduce((sum: number, share) => sum + (share ?? 0), 0)).toBeCloseTo(1, 12);
        },
      ),
    );
  });

  it.each([
    ['rr', undefined],
    ['wrr', undefined],
    ['sh', 'ClientHash'],
    ['mh', 'ClientHash'],
    ['dh', 'DestinationHash'],
    ['lc', 'LeastConnections'],
    ['wlc', 'LeastConnections'],
    ['sed', 'LeastConnections'],
    ['nq', 'LeastConnections'],
    ['lblc', 'LeastConnections'],
    ['lblcr', 'LeastConnections'],
    ['ovf', 'Unknown'],
    ['twos', 'Unknown'],
    ['fo', 'Unknown'],
    ['dice', 'Unknown'],
  ])('%s gives shares, or says what decides', (scheduler, chosenBy) => {
    const outcome = schedule(server(`-s ${scheduler}`, [1, 1]), '10.96.0.7#80');
    if (outcome.kind !== 'scheduled') throw new Error(outcome.kind);
    expect(outcome.chosenBy).toBe(chosenBy);
    expect(outcome.candidates.map(({ probability }) => probability)).toEqual(
      chosenBy === undefined ? [0.5, 0.5] : [undefined, undefined],
    );
  });

  it("gives wrr the shares that the kernel's own rounds give (ip_vs_wrr_schedule)", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 5 }), (weights) => {
        const outcome = schedule(server('-s wrr', weights), '10.96.0.7#80');
        const sum = weights.reduce((total, weight) => total + weight, 0);
        if (outcome.kind !== 'scheduled') return;
        const rounds = wrrRounds(weights, sum);
        for (const { realServer, probability } of outcome.candidates) {
          const index = Number(/^10\.244\.(\d+)\./.exec(realServer.address)?.[1]) - 1;
          expect(probability).toBeCloseTo((rounds[index] ?? 0) / sum, 12);
        }
      }),
    );
  });
});

/** How often each is taken in as many turns as the weights sum to: passes with a falling threshold, as the kernel's comment says. */
function wrrRounds(weights: readonly number[], turns: number): number[] {
  const gcd = (one: number, other: number): number => (other === 0 ? one : gcd(other, one % other));
  const step = weights.reduce(gcd, 0) || 1;
  const highest = Math.max(...weights) - (step - 1);
  const taken = weights.map(() => 0);
  let threshold = highest;
  for (let turn = 0; turn < turns;) {
    for (const [index, weight] of weights.entries()) {
      if (turn < turns && weight >= threshold) {
        taken[index] = (taken[index] ?? 0) + 1;
        turn += 1;
      }
    }
    threshold -= step;
    if (threshold <= 0) threshold = highest;
  }
  return taken;
}

/** Of a node with the cluster IP 10.96.0.7, whose filter OUTPUT has these rules. */
function walk(scheduler: string, weights: readonly number[], ...output: string[]): ReturnType<typeof summarize> {
  const filter = [
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ...output.map((rule) => `-A OUTPUT ${rule}`),
    'COMMIT',
    '',
  ].join('\n');
  const ruleset = mergeRulesets([filter, `${server(`-s ${scheduler}`, weights)}\n`].map(parseRulesetFile));
  expect(ruleset.problems).toEqual([]);
  return summarize(
    walkRuleset(
      ruleset,
      {
        source: '10.244.7.7',
        destination: '10.96.0.7',
        destinationPort: 80,
        protocol: 'TCP',
        entersAt: 'PREROUTING',
      },
      ['172.30.0.11', '10.96.0.7'],
    ),
  );
}

describe('a walk over a virtual server that chooses by a hash', () => {
  it('has all destinations for certain, and none of their shares', () => {
    const { verdict, probability, verdicts, destinations, unknown, path } = walk('sh', [1, 1, 1]);
    expect({ verdict, probability, verdicts, unknown }).toEqual({
      verdict: 'DNAT',
      probability: 1,
      verdicts: [{ verdict: 'DNAT', probability: 1 }],
      unknown: [],
    });
    expect(destinations).toEqual(
      [1, 2, 3].map((index) => ({
        address: `10.244.${String(index)}.2`,
        port: 8080,
        chosenBy: 'ClientHash',
        masquerade: false,
      })),
    );
    expect(path.map(effectText)).toContain('DNAT to 10.244.1.2:8080, by hash of the client');
  });

  it('does not know which part of the connections a rule behind it drops', () => {
    const { verdict, verdicts, destinations } = walk('wlc', [1, 1, 1], '-d 10.244.3.2/32 -j DROP');
    expect(verdict).toBe('DNAT');
    expect(verdicts).toEqual([{ verdict: 'DNAT' }, { verdict: 'DROP' }]);
    expect(destinations.map(({ address, chosenBy }) => [address, chosenBy])).toEqual([
      ['10.244.1.2', 'LeastConnections'],
      ['10.244.2.2', 'LeastConnections'],
    ]);
  });

  it('knows that part where the rule drops the same part of all', () => {
    const half = '-m statistic --mode random --probability 0.50000000000 -j DROP';
    expect(walk('lc', [1, 1, 1], half).verdicts).toEqual([
      { verdict: 'DNAT', probability: 0.5 },
      { verdict: 'DROP', probability: 0.5 },
    ]);
  });

  it('does not know the share of what depends on an unknown rule either', () => {
    const { verdicts } = walk('sh', [1, 1], '-d 10.244.2.2/32 -m time --timestart 08:00 -j DROP');
    expect(verdicts).toEqual([{ verdict: 'DNAT' }, { verdict: 'UNKNOWN' }]);
  });

  it('keeps the shares of a rule that drops for rr', () => {
    expect(walk('rr', [1, 1, 1, 1], '-d 10.244.3.2/32 -j DROP').verdicts).toEqual([
      { verdict: 'DNAT', probability: 0.75 },
      { verdict: 'DROP', probability: 0.25 },
    ]);
  });

  it('says that a scheduler of tomorrow is not known', () => {
    const { destinations, unknown } = walk('dice', [1, 1]);
    expect(destinations.map(({ chosenBy }) => chosenBy)).toEqual(['Unknown', 'Unknown']);
    expect(unknown).toEqual([
      'TCP 10.96.0.7:80 dice: how the scheduler dice chooses is not known; the shares of its real servers are not known',
    ]);
  });
});
