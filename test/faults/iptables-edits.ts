/** Edits of kube-proxy's rules on a node in iptables mode, in the backend that the node's kube-proxy writes to. */
import type { ClusterNode } from '../cluster/cluster.ts';
import { splitName } from './place.ts';

/** The rules of a table, or of one of its chains, as `iptables -S` prints them. */
export async function rulesOf(node: ClusterNode, table: string, chain?: string): Promise<string[]> {
  const { stdout } = await node.exec([
    'iptables',
    '--wait',
    '-t',
    table,
    '-S',
    ...(chain === undefined ? [] : [chain]),
  ]);
  return stdout.split('\n').filter((line) => line.startsWith('-A '));
}

/** Runs `iptables -t TABLE …` with arguments in the quoting of `iptables -S`. */
export async function iptables(node: ClusterNode, table: string, args: string): Promise<void> {
  await node.exec(['sh', '-c', `iptables --wait -t ${table} ${args}`]);
}

export async function deleteRule(node: ClusterNode, table: string, rule: string): Promise<void> {
  await iptables(node, table, rule.replace(/^-A /, '-D '));
}

/** Puts another rule in the place of one; both as `iptables -S` prints them. */
export async function replaceRule(node: ClusterNode, table: string, rule: string, by: string): Promise<void> {
  const chain = chainOf(rule);
  const position = (await rulesOf(node, table, chain)).indexOf(rule) + 1;
  if (position === 0) throw new Error(`${node.name} has no rule ${rule}`);
  await iptables(node, table, `-R ${chain} ${String(position)} ${by.replace(/^-A \S+ /, '')}`);
}

/** The rule of KUBE-SERVICES that jumps to the chain of the Service's port by its cluster IP, found by the comment that kube-proxy gives it. */
export async function entryRule(node: ClusterNode, service: string, port = 'http'): Promise<string> {
  const [space, name] = splitName(service);
  return only(await rulesOf(node, 'nat', 'KUBE-SERVICES'), `"${space}/${name}:${port} cluster IP"`);
}

/** The KUBE-SVC chain of the Service's port. */
export async function serviceChain(node: ClusterNode, service: string, port = 'http'): Promise<string> {
  return targetOf(await entryRule(node, service, port));
}

/** The rules of the Service's chain that jump to its endpoints' chains, in order. */
export async function endpointRules(node: ClusterNode, service: string): Promise<string[]> {
  const rules = await rulesOf(node, 'nat', await serviceChain(node, service));
  return rules.filter((rule) => rule.includes(' -j KUBE-SEP-'));
}

/** The one rule that holds the text. */
export function only(rules: readonly string[], text: string): string {
  const found = rules.filter((rule) => rule.includes(text));
  const [rule] = found;
  if (rule === undefined || found.length > 1)
    throw new Error(`${String(found.length)} rules hold ${text}, and not one`);
  return rule;
}

export function chainOf(rule: string): string {
  return rule.split(' ')[1] ?? '';
}

export function targetOf(rule: string): string {
  const target = / -j (\S+)/.exec(rule)?.[1];
  if (target === undefined) throw new Error(`the rule has no target: ${rule}`);
  return target;
}
