/**
 * What the parser makes of a rule, printed again, is what the kernel was given: every rule is loaded into a namespace
 * and dumped. A rule whose module this kernel does not have is left out and named.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { IptablesRule } from '../../core/iptables/rule.ts';
import { parseIptablesRule } from '../../core/iptables/parse-rule.ts';
import { parseIptablesSave } from '../../core/iptables/parse-save.ts';
import { printIptablesRule, printIptablesSave } from '../../core/iptables/print.ts';
import type { IptablesRuleset } from '../../core/iptables/ruleset.ts';
import { canonicalRules } from '../support/iptables-canonical.ts';
import { foreignDumps, rulesetFolder } from '../fixtures/rulesets/foreign.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const backends = ['iptables-nft', 'iptables-legacy', 'ip6tables-nft', 'ip6tables-legacy'] as const;
type Backend = (typeof backends)[number];
const unavailable = kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi']);

interface Loaded {
  /** What the kernel's tool printed of the rule; undefined where it did not take it. */
  readonly printed: string | undefined;
  readonly why: string;
}

/** Loads each rule by itself, as the only one of its chain. */
async function load(
  backend: Backend,
  rules: readonly { readonly table: string; readonly rule: string; readonly jump: string | undefined }[],
): Promise<Loaded[]> {
  const input = rules.map(({ table, rule, jump }) => `${table}\t${jump ?? '-'}\t${rule}\n`).join('');
  const script = `
tab=$(printf '\\t')
while IFS="$tab" read -r table jump rule; do
  extra=; [ "$jump" = - ] || extra=":$jump - [0:0]"
  if why=$(printf '%s\\n' "*$table" ':TEST - [0:0]' $extra "$rule" COMMIT | grep -v '^- ' | { IFS=; ${backend}-restore; } 2>&1); then
    printf 'yes\\t%s\\n' "$(${backend}-save -t $table | grep '^-A TEST ')"
  else
    printf 'no\\t%s\\n' "$(printf '%s' "$why" | head -1)"
  fi
done`.replace('$extra "$rule"', '${extra:+"$extra"} "$rule"');
  const output = await inNamespace(script, input);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [answer, ...rest] = line.split('\t');
      return answer === 'yes' ? { printed: rest.join('\t'), why: '' } : { printed: undefined, why: rest.join('\t') };
    });
}

function tableFor(text: string): string {
  if (/-j (?:DNAT|SNAT|MASQUERADE|REDIRECT|NETMAP)/.test(text)) return 'nat';
  if (/-j (?:CT|NOTRACK|TRACE)/.test(text)) return 'raw';
  return text.includes('-j REJECT') ? 'filter' : 'mangle';
}

function jumpOf(rule: IptablesRule): string | undefined {
  return rule.target?.kind === 'jump' || rule.target?.kind === 'goto' ? rule.target.chain : undefined;
}

/** Rules of the same modules and target are all taken by the kernel, or none. */
function shapeOf(table: string, rule: IptablesRule): string {
  const target = rule.target?.kind === 'extension' ? rule.target.name : rule.target?.kind;
  return `${table} ${rule.matches.map(({ module }) => module).join()} ${target ?? ''}`;
}

describe.skipIf(unavailable !== undefined)('what is printed of a rule', () => {
  it.each(['iptables-nft', 'iptables-legacy'] as const)('%s prints as we do', async (backend) => {
    const rules = canonicalRules.map((text) => {
      const rule = parseIptablesRule(`-A TEST ${text}`);
      return {
        table: tableFor(text),
        rule: rule === undefined ? '' : printIptablesRule(rule),
        jump: rule === undefined ? undefined : jumpOf(rule),
      };
    });
    const loaded = await load(backend, rules);
    expect(loaded).toHaveLength(rules.length);
    const refused = rules.filter((_, at) => loaded[at]?.printed === undefined);
    const differing = rules.flatMap(({ rule }, at) =>
      loaded[at]?.printed === undefined || loaded[at].printed === rule ? [] : [[rule, loaded[at].printed]],
    );
    expect(differing).toEqual([]);
    process.stdout.write(
      `${backend}: ${String(rules.length - refused.length)} of ${String(rules.length)} rules; this kernel has no ${refused.map(({ rule }) => rule.replace('-A TEST ', '')).join(' | ')}\n`,
    );
    // Of most modules it must be shown.
    expect(refused.length).toBeLessThan(rules.length / 3);
  });
});

describe.skipIf(unavailable !== undefined)('what is printed of a dump', () => {
  const own = ['iptables-nft.txt', 'iptables-legacy.txt', 'ip6tables-nft.txt'].map((file) =>
    fileURLToPath(new URL(file, rulesetFolder)),
  );
  const cases = [...own, ...foreignDumps].flatMap((file) =>
    backends
      .filter((backend) => backend.startsWith('ip6') === file.includes('ip6tables'))
      .map((backend) => [file.slice(file.lastIndexOf('/') + 1), file, backend] as const),
  );
  it.each(cases)('%s is what the kernel dumps: %s, %s', async (_name, file, backend) => {
    const [ruleset] = parseIptablesSave(readFileSync(file, 'utf8')).result;
    if (ruleset === undefined) throw new Error(`${file} holds no dump`);
    const shapes = new Map<string, { table: string; rule: string; jump: string | undefined }>();
    for (const [table, chains] of ruleset.tables)
      for (const { rules } of chains.values())
        for (const rule of rules)
          shapes.set(shapeOf(table, rule), {
            table,
            rule: printIptablesRule({ ...rule, chain: 'TEST' }),
            jump: jumpOf(rule),
          });
    const loaded = await load(backend, [...shapes.values()]);
    const refused = new Set([...shapes.keys()].filter((_, at) => loaded[at]?.printed === undefined));
    const isTaken =
      (table: string) =>
      (rule: IptablesRule): boolean =>
        !refused.has(shapeOf(table, rule));
    const taken: IptablesRuleset = {
      family: ruleset.family,
      tables: new Map(
        [...ruleset.tables].map(([table, chains]) => [
          table,
          new Map([...chains].map(([name, chain]) => [name, { ...chain, rules: chain.rules.filter(isTaken(table)) }])),
        ]),
      ),
    };
    // ip6tables-nft-restore 1.8.9 takes no counters from -c.
    const counters = backend !== 'ip6tables-nft';
    const printed = printIptablesSave(taken, { counters });
    const dumped = await inNamespace(`${backend}-restore -c && ${backend}-save ${counters ? '-c' : ''}`, printed);
    const again = parseIptablesSave(dumped);
    expect(again.problems).toEqual([]);
    const byName = (rulesets: readonly IptablesRuleset[]): string[] =>
      [
        ...rulesets.flatMap((each) =>
          [...each.tables].map(([table, chains]) =>
            printIptablesSave(
              {
                family: each.family,
                tables: new Map([[table, new Map([...chains].sort(([one], [other]) => (one < other ? -1 : 1)))]]),
              },
              { counters },
            ),
          ),
        ),
      ].sort();
    expect(byName(again.result)).toEqual(byName([taken]));
    const all = [...ruleset.tables.values()].flatMap((chains) =>
      [...chains.values()].flatMap(({ rules }) => rules),
    ).length;
    const left = [...taken.tables.values()].flatMap((chains) =>
      [...chains.values()].flatMap(({ rules }) => rules),
    ).length;
    process.stdout.write(
      `${backend} ${file.slice(file.lastIndexOf('/') + 1)}: ${String(left)} of ${String(all)} rules; without ${[...refused].join(' | ')}\n`,
    );
    expect(left).toBeGreaterThan(all * 0.6);
  });
});
