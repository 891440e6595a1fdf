/** `kubectl svctrace simulate`: what dumped rules do with one packet; needs no cluster. */
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { stringify } from 'yaml';
import { hostPort } from '../core/diagnose/frontend-drift.ts';
import { summarize } from '../core/evaluate/walk-packet.ts';
import { walkRuleset } from '../core/evaluate/walk-ruleset.ts';
import { ChainLoopError, type Packet } from '../core/evaluate/walk.ts';
import { mergeRulesets, parseRulesetFile } from '../core/parse/ruleset-file.ts';
import { RulesetError, type Ruleset } from '../core/ruleset.ts';
import { isSameAddress } from '../core/address.ts';
import { UsageError } from './errors.ts';
import type { Io } from './io.ts';
import type { SimulateRequest } from './request.ts';

/** @throws UsageError where a file cannot be read or understood */
export async function runSimulate(request: SimulateRequest, io: Io): Promise<number> {
  const ruleset = mergeRulesets(await Promise.all(request.files.map(readRuleset)));
  const packet: Packet = {
    source: request.from,
    destination: request.to.address,
    destinationPort: request.to.port,
    protocol: request.to.protocol,
    entersAt: request.nodeIps.some((own) => isSameAddress(own, request.from)) ? 'OUTPUT' : 'PREROUTING',
  };
  const { verdict, destinations, masquerade, path, unknown } = simulate(ruleset, packet, request.nodeIps);
  // The keys of design.md, in its order; others script against them.
  const result = {
    verdict,
    destinations: destinations.map(({ address, port, probability }) => ({ address, port, probability })),
    masquerade,
    path: path.map(({ table, chain, rule, effect }) => ({ table, chain, rule, effect })),
    ...(unknown.length === 0 ? {} : { unknown }),
  };
  if (request.output === 'json') io.stdout.write(`${JSON.stringify(result, undefined, 4)}\n`);
  else if (request.output === 'yaml') io.stdout.write(stringify(result));
  else io.stdout.write(asText(result, packet));
  return 0;
}

function simulate(ruleset: Ruleset, packet: Packet, nodeIps: readonly string[]): ReturnType<typeof summarize> {
  try {
    return summarize(walkRuleset(ruleset, packet, nodeIps));
  } catch (error) {
    if (error instanceof ChainLoopError) throw new UsageError(`The rules cannot be followed: ${error.message}.`, { cause: error });
    throw error;
  }
}

async function readRuleset(file: string): Promise<Ruleset> {
  let text: string;
  try {
    text = file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--ruleset ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  try {
    return parseRulesetFile(text);
  } catch (error) {
    if (error instanceof RulesetError) throw new UsageError(`--ruleset ${file}: ${error.message}.`, { cause: error });
    throw error;
  }
}

interface Result {
  readonly verdict: string;
  readonly destinations: readonly { readonly address: string; readonly port: number; readonly probability: number }[];
  readonly masquerade: boolean;
  readonly path: readonly { readonly table: string; readonly chain: string; readonly rule: string; readonly effect: string }[];
  readonly unknown?: readonly string[];
}

function asText({ verdict, destinations, masquerade, path, unknown = [] }: Result, packet: Packet): string {
  const lines = [
    `${packet.protocol} ${packet.source} → ${hostPort(packet.destination, packet.destinationPort)}, enters at ${packet.entersAt}`,
    '',
    ...path.map(({ table, chain, rule, effect }) => `${table} ${chain}: ${effect}\n    ${rule}`),
    ...(path.length === 0 ? ['no rule matches'] : []),
    '',
    `${verdict}${masquerade ? ', masqueraded' : ''}`,
    ...destinations.map(({ address, port, probability }) => `  ${hostPort(address, port)}  ${(probability * 100).toFixed(1)}%`),
    ...(unknown.length === 0 ? [] : ['', 'not known, so nothing is said of what depends on it:', ...unknown.map((each) => `  ${each}`)]),
  ];
  return `${lines.join('\n')}\n`;
}
