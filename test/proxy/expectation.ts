/** What the evaluator says of one case. This is the one place of the proof that calls it. */
import { summarize } from '../../core/program/walk-packet.ts';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import type { Step, Verdict } from '../../core/evaluate/walk.ts';
import { mergeRulesets, parseRulesetFile } from '../../core/ruleset/read-dumps.ts';
import type { Ruleset } from '../../core/ruleset/ruleset.ts';
import type { Protocol } from '../../core/net/family.ts';

export interface Expectation {
  readonly verdict: Verdict;
  readonly targets: readonly {
    readonly address: string;
    readonly port: number;
    readonly probability: number;
    readonly masquerade: boolean;
  }[];
  /** What was not understood; nothing is expected then. */
  readonly unknown: readonly string[];
  readonly path: readonly Step[];
}

export interface EvaluatedPacket {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly entersAt: 'PREROUTING' | 'OUTPUT';
}

/** The ruleset of one node, of the texts that its tools printed. */
export function readDumps(dumps: readonly string[]): Ruleset {
  return mergeRulesets(dumps.map(parseRulesetFile));
}

/** @param nodeAddresses every address of the node whose ruleset it is */
export function expectationOf(
  ruleset: Ruleset,
  { port, ...packet }: EvaluatedPacket,
  nodeAddresses: readonly string[],
): Expectation {
  const { verdict, destinations, path, unknown } = summarize(
    walkRuleset(ruleset, { ...packet, destinationPort: port }, nodeAddresses),
  );
  return {
    verdict,
    targets: destinations.flatMap(({ probability, ...target }) =>
      probability === undefined ? [] : [{ ...target, probability }],
    ),
    unknown: [
      ...unknown,
      ...destinations.flatMap(({ address, probability }) =>
        probability === undefined ? [`the share of ${address}`] : [],
      ),
    ],
    path,
  };
}
