/**
 * Which rules that choose an endpoint are alike but for their endpoint, with the chains that they jump to: of many alike
 * ones, one is written out. Counters and comments are left out of account; a chain with another rule is unlike.
 */
import { present } from '../lib/present.ts';
import type { AlikeEndpoint, AlikeEndpoints } from './explanation.ts';
import { destinationText, type NatDestination } from '../net/address.ts';
import type { IptablesMatch, IptablesRule } from '../iptables/rule.ts';
import type { NftElement, NftExpression, NftRule, NftStatement } from '../nftables/rule.ts';
import { chainOfVerdict, dnatTargetsOfStatement } from '../nftables/targets.ts';
import type { RealServer } from '../ipvs/virtual-server.ts';

/** As many alike rules are written out; of more, the first one is. */
const mostWrittenOut = 5;

/** What a rule that chooses an endpoint sends packets to. */
export interface Choice {
  readonly endpoint: NatDestination;
  /** The same for two rules that do the same for different endpoints. */
  readonly shape: string;
  /** Of the rule that rewrites the destination; absent where nothing counts. */
  readonly packets?: number;
}

/** Indexes of those that are not written out, by the index of the one that is written out for them. */
export type Folded = ReadonlyMap<number, readonly number[]>;

/** @param choices of the rules of one chain, or of the elements of a map, in their order; undefined for one that chooses no endpoint */
export function foldAlike(choices: readonly (Choice | undefined)[]): Folded {
  const groups = new Map<string, number[]>();
  choices.forEach((choice, index) => {
    if (choice === undefined) return;
    const group = groups.get(choice.shape);
    if (group === undefined) groups.set(choice.shape, [index]);
    else group.push(index);
  });
  return new Map(
    [...groups.values()].flatMap(([first, ...others]) =>
      first === undefined || others.length < mostWrittenOut ? [] : [[first, others] as const],
    ),
  );
}

/**
 * Which endpoints the one at the index is written out for; none where it is for itself alone.
 * @param others indexes of those that are not written out for it
 */
export function alikeEndpoints(
  choices: readonly (Choice | undefined)[],
  index: number,
  others: readonly number[],
  {
    pod,
    factsOf,
  }: {
    readonly pod: (address: string) => string | undefined;
    readonly factsOf: (choice: Choice, index: number) => Omit<AlikeEndpoint, 'endpoint' | 'pod'>;
  },
): AlikeEndpoints[] {
  const choice = choices[index];
  if (choice === undefined || others.length === 0) return [];
  return [
    {
      writtenOut: destinationText(choice.endpoint),
      others: others.flatMap((other): AlikeEndpoint[] => {
        const own = choices[other];
        return own === undefined
          ? []
          : [
              {
                endpoint: destinationText(own.endpoint),
                ...present({ pod: pod(own.endpoint.address) }),
                ...factsOf(own, other),
              },
            ];
      }),
    },
  ];
}

/**
 * @param target the rules of the chain that the rule jumps to; undefined where it rewrites the destination itself
 * @param isLast no rule of the chain chooses behind this one: what it takes is what the draws before it have left
 */
export function iptablesChoice(
  rule: IptablesRule,
  target: readonly IptablesRule[] | undefined,
  isLast: boolean,
): Choice | undefined {
  const rewriting = (target ?? [rule]).find((each) => each.target?.kind === 'DNAT');
  const range = rewriting?.target?.kind === 'DNAT' ? rewriting.target.to[0] : undefined;
  if (rewriting === undefined || range?.addresses === undefined) return undefined;
  const address = range.addresses.from;
  const jumped = rule.target?.kind === 'jump' || rule.target?.kind === 'goto' ? rule.target.chain : undefined;
  const places = new Map([...placesOf(address), ...(jumped === undefined ? [] : [[jumped, chainPlace] as const])]);
  const matches = rule.matches.filter((match) => !isDraw(match));
  const draws = isLast || matches.length < rule.matches.length;
  return {
    endpoint: { address, ...(range.ports === undefined ? {} : { port: range.ports.from }) },
    shape: shapeOf([draws, { ...rule, matches }, target], places),
    ...(rewriting.counters === undefined ? {} : { packets: rewriting.counters.packets }),
  };
}

function isDraw({ module, options }: IptablesMatch): boolean {
  return module === 'statistic' && options.some(({ kind, negated }) => kind === 'probability' && !negated);
}

/** @returns what the rule has as elements of its own map, and chooses by it; undefined for a rule without one */
export function nftChoices({ statements }: NftRule): readonly NftElement[] | undefined {
  for (const statement of statements) {
    const data =
      statement.kind === 'vmap'
        ? statement.data
        : statement.kind === 'nat' && statement.address?.kind === 'map'
          ? statement.address.data
          : undefined;
    if (data?.kind === 'set') return data.elements;
  }
  return undefined;
}

/**
 * @param element of a map by which a rule chooses: a chain to go to, or the destination itself
 * @param rulesOf the rules of a chain
 */
export function nftChoice(
  { key, value }: NftElement,
  rulesOf: (chain: string) => readonly NftRule[],
): Choice | undefined {
  if (value === undefined) return undefined;
  const [chain] = value.kind === 'verdict' ? chainOfVerdict(value.verdict) : [];
  const target: readonly Pick<NftRule, 'statements'>[] =
    chain === undefined ? [{ statements: [dnatTo(value)] }] : rulesOf(chain);
  const rewriting = target.find(({ statements }) => statements.some((each) => dnatTargetsOfStatement(each).length > 0));
  const [endpoint] = rewriting?.statements.flatMap(dnatTargetsOfStatement) ?? [];
  if (rewriting === undefined || endpoint === undefined) return undefined;
  const places = new Map([
    ...placesOf(endpoint.address),
    ...(chain === undefined
      ? []
      : [
          [chain, chainPlace] as const,
          // The set of the clients that stay with the endpoint is named as its chain.
          [chain.replace(/^endpoint-/, 'affinity-'), affinityPlace] as const,
        ]),
  ]);
  const counter = rewriting.statements.find((statement): statement is NftCounter => statement.kind === 'counter');
  return {
    endpoint,
    shape: shapeOf([key.kind, value, target], places),
    ...(counter?.packets === undefined ? {} : { packets: counter.packets }),
  };
}

type NftCounter = NftStatement & { readonly kind: 'counter' };

function dnatTo(address: NftExpression): NftStatement {
  return { kind: 'nat', type: 'dnat', address };
}

export function realServerChoice({ address, port, forward, weight, others, stats }: RealServer): Choice {
  return {
    endpoint: { address, port },
    shape: JSON.stringify([port, forward, weight, others]),
    ...(stats === undefined ? {} : { packets: stats.connections }),
  };
}

const endpointPlace = '<endpoint>';
const chainPlace = '<chain>';
const affinityPlace = '<affinity>';

function placesOf(address: string): readonly (readonly [string, string])[] {
  return [address, `${address}/32`, `${address}/128`].map((text) => [text, endpointPlace] as const);
}

/** Rules without what they count and remark. */
function shapeOf(rules: unknown, places: ReadonlyMap<string, string>): string {
  return JSON.stringify(rules, (key, value: unknown) => {
    if (typeof value === 'string') return places.get(value) ?? value;
    if (leftOut.has(key)) return undefined;
    return Array.isArray(value) ? value.filter((each) => !isRemark(each)).map(withoutCounts) : value;
  });
}

const leftOut: ReadonlySet<string> = new Set(['counters', 'comment', 'remark']);

function isRemark(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'module' in value && value.module === 'comment';
}

function withoutCounts(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'counter'
    ? { kind: 'counter' }
    : value;
}

/** The rule as it would be printed with what is left out only counted. */
export function withoutElements(rule: NftRule, hidden: ReadonlySet<NftElement>): NftRule {
  if (hidden.size === 0) return rule;
  const shortened = (data: NftExpression): NftExpression =>
    data.kind !== 'set'
      ? data
      : {
          ...data,
          elements: [
            ...data.elements.filter((element) => !hidden.has(element)),
            { key: { kind: 'unrecognized', text: `… ${String(hidden.size)} more` } },
          ],
        };
  return {
    ...rule,
    statements: rule.statements.map((statement) => {
      if (statement.kind === 'vmap') return { ...statement, data: shortened(statement.data) };
      return statement.kind === 'nat' && statement.address?.kind === 'map'
        ? { ...statement, address: { ...statement.address, data: shortened(statement.address.data) } }
        : statement;
    }),
  };
}

export function onePerClass(addresses: readonly string[], classOf: (address: string) => string): string[] {
  return [
    ...new Map([...addresses].reverse().map((address) => [classOf(address), address] as const)).values(),
  ].reverse();
}
