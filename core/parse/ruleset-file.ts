/** A dump of any of the tools, told apart by what it looks like. */
import { RulesetError, type Ruleset } from '../ruleset.ts';
import { parseIptablesSave } from './iptables-save.ts';
import { parseNftRulesetJson } from './nft-ruleset.ts';
import { parseNftText } from './nft-text.ts';

/** @throws RulesetError where it is none of them, or torn */
export function parseRulesetFile(text: string): Ruleset {
  const nothing: Ruleset = { iptables: [], nftables: [], ipSets: [], virtualServers: [], problems: [] };
  if (/^\s*\{/.test(text)) return { ...nothing, nftables: parseNftRulesetJson(text) };
  if (/^\*\w+\s*$/m.test(text)) {
    const { result, problems } = parseIptablesSave(text);
    return { ...nothing, iptables: result, problems };
  }
  if (/^\s*table\s/m.test(text)) return { ...nothing, nftables: parseNftText(text) };
  throw new RulesetError('it is neither iptables-save text, nor nft -j list ruleset JSON, nor nft list ruleset text');
}

/** Several dumps of one machine as one. */
export function mergeRulesets(rulesets: readonly Ruleset[]): Ruleset {
  return {
    iptables: rulesets.flatMap(({ iptables }) => iptables),
    nftables: rulesets.flatMap(({ nftables }) => nftables),
    ipSets: rulesets.flatMap(({ ipSets }) => ipSets),
    virtualServers: rulesets.flatMap(({ virtualServers }) => virtualServers),
    problems: rulesets.flatMap(({ problems }) => problems),
  };
}

/** A dump of any of the tools, given piece by piece. */
export class RulesetDump {
  readonly #decoder = new TextDecoder();
  #text = '';

  push(chunk: Uint8Array | string): void {
    this.#text += typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true });
  }

  /** @throws RulesetError where it is none of them, or nothing of it can be read */
  end(): Ruleset {
    return parseRulesetFile(this.#text + this.#decoder.decode());
  }
}
