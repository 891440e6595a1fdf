/** What xargs and iptables-nft print, and what the probe makes of it. */
import { describe, expect, it } from 'vitest';
import { lineSplitter } from '../../../core/lib/line-splitter.ts';
import type { Commands, Finished } from '../../../probe/io/commands.ts';
import { listChains, questionWords } from '../../../probe/rules/list-chains.ts';

/** Programs that print fixed lines, by the words of their command line; keeps what they were given. */
function programs(
  answers: Readonly<Record<string, { lines?: readonly string[] } & Partial<Finished>>>,
): Commands & { readonly inputs: string[] } {
  const inputs: string[] = [];
  return {
    inputs,
    async stream(argv, onLine, input) {
      inputs.push(typeof input === 'string' ? input : '');
      const answer = answers[argv.includes('nft') ? 'nft' : 'iptables'];
      answer?.lines?.forEach(onLine);
      const errors = answer?.errors ?? [];
      return { status: answer?.status ?? 0, problem: errors[0] ?? '', errors };
    },
  };
}

const listed = [
  '-N KUBE-SVC-A',
  '-A KUBE-SVC-A -c 3 180 -j KUBE-SEP-B',
  'Chain KUBE-SVC-A (2 references)',
  ' pkts bytes target     prot opt in     out     source               destination',
  '    3   180 KUBE-SEP-B  all  --  *      *       0.0.0.0/0            0.0.0.0/0',
];
const absent = "iptables v1.8.9 (nf_tables): chain `KUBE-SVL-A' in table `nat' is incompatible, use 'nft' tool.";

describe('the listing of many chains', () => {
  it('gives xargs two words for each run', () => {
    expect(questionWords([{ chain: 'PREROUTING' }, { chain: 'KUBE-SVC-A', references: true }])).toEqual([
      '-S',
      'PREROUTING',
      '-S',
      'KUBE-SVC-A',
      '-nL',
      'KUBE-SVC-A',
    ]);
  });

  it('keeps the rules as they were printed, and how many rules refer to the chain', async () => {
    const commands = programs({ iptables: { lines: ['-P PREROUTING ACCEPT -c 5 300', ...listed] } });
    const { chains, problem } = await listChains(commands, 'iptables-nft', 'nat', [
      { chain: 'PREROUTING' },
      { chain: 'KUBE-SVC-A', references: true },
    ]);
    expect(problem).toBeUndefined();
    expect([...chains]).toEqual([
      ['PREROUTING', { lines: [], policy: 'ACCEPT' }],
      ['KUBE-SVC-A', { lines: ['-A KUBE-SVC-A -c 3 180 -j KUBE-SEP-B'], references: 2 }],
    ]);
    expect(commands.inputs).toEqual(['-S\0PREROUTING\0-S\0KUBE-SVC-A\0-nL\0KUBE-SVC-A']);
  });

  const questions = [{ chain: 'KUBE-SVC-A', references: true }, { chain: 'KUBE-SVL-A' }];
  it.each([
    ['absent, in the words of 1.8.9', { status: 123, errors: [absent] }, undefined],
    [
      'absent, in the words of others',
      { status: 123, errors: ['iptables: No chain/target/match by that name.'] },
      undefined,
    ],
    [
      'absent, beside a warning',
      { status: 123, errors: ['# Warning: iptables-legacy tables present, use iptables-legacy to see them', absent] },
      undefined,
    ],
    [
      'forbidden',
      {
        status: 123,
        errors: [
          absent,
          'iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)',
        ],
      },
      /Permission denied/,
    ],
    ['of no tool', { status: 127, errors: ['xargs: iptables-nft: No such file or directory'] }, /No such file/],
    ['late', { status: 124, errors: [] }, /ended with 124/],
    ['silent', { status: 0, errors: [] }, /printed nothing of chain KUBE-SVL-A/],
  ])('distinguishes a chain that is absent from one that could not be read: %s', async (_, finished, problem) => {
    const listing = await listChains(
      programs({ iptables: { lines: listed, ...finished }, nft: { status: 123 } }),
      'iptables-nft',
      'nat',
      questions,
    );
    expect([...listing.chains.keys()]).toEqual(['KUBE-SVC-A']);
    if (problem === undefined) expect(listing.problem).toBeUndefined();
    else expect(listing.problem).toMatch(problem);
  });

  it('does not call a chain absent that nf_tables holds and iptables-nft cannot read', async () => {
    const commands = programs({
      iptables: { lines: listed, status: 123, errors: [absent] },
      nft: { lines: ['table ip nat {', '\tchain KUBE-SVL-A {', '\t}', '}'] },
    });
    expect((await listChains(commands, 'iptables-nft', 'nat', questions)).problem).toBe(
      'nf_tables holds chain KUBE-SVL-A, and iptables-nft cannot read it',
    );
  });

  it('asks for nothing where there is nothing to ask', async () => {
    const commands = programs({});
    expect((await listChains(commands, 'iptables-nft', 'nat', [])).chains.size).toBe(0);
    expect(commands.inputs).toEqual([]);
  });
});

it.each([1, 2, 3, 7, 100])('lines are the same however the text is cut: in pieces of %i', (size) => {
  const text = 'one\n\ntwo\n-A KUBE-SVC-A\nlast without an end';
  const lines: string[] = [];
  const { push, end } = lineSplitter((line) => lines.push(line));
  for (let at = 0; at < text.length; at += size) push(text.slice(at, at + size));
  end();
  expect(lines).toEqual(text.split('\n'));
});
