/** Edits of kube-proxy's table on a node in nftables mode. */
import type { ClusterNode } from '../cluster/cluster.ts';
import { splitName } from './place.ts';

export async function nft(node: ClusterNode, command: string): Promise<string> {
  const { stdout } = await node.exec(['nft', '--handle', '--file', '-'], { input: `${command}\n` });
  return stdout;
}

export interface NftRule {
  /** Without its handle. */
  readonly text: string;
  readonly handle: string;
}

/** Rules of a chain of the table `ip kube-proxy`, in order. */
async function nftRules(node: ClusterNode, chain: string): Promise<NftRule[]> {
  const listing = await nft(node, `list chain ip kube-proxy ${chain}`);
  return listing.split('\n').flatMap((line) => {
    const match = /^\t\t(.+) # handle (\d+)$/.exec(line);
    return match === null ? [] : [{ text: match[1] ?? '', handle: match[2] ?? '' }];
  });
}

/** The chain of the Service's port: the one whose name ends with what kube-proxy derives it from. */
export async function nftServiceChain(
  node: ClusterNode,
  service: string,
  port = 'http',
  kind = 'service',
): Promise<string> {
  const [space, name] = splitName(service);
  const listing = await nft(node, 'list chains ip');
  const chain = new RegExp(`chain (${kind}-\\w+-${space}/${name}/tcp/${port}) `).exec(listing)?.[1];
  if (chain === undefined) throw new Error(`${node.name} has no chain ${kind}-… of ${service}`);
  return chain;
}

/** The rule of the Service's chain that chooses an endpoint, and the endpoints it chooses from, as `ADDRESS . PORT`. */
export async function nftBalancer(
  node: ClusterNode,
  service: string,
): Promise<{ readonly chain: string; readonly handle: string; readonly targets: readonly string[] }> {
  const chain = await nftServiceChain(node, service);
  const rule = (await nftRules(node, chain)).find(({ text }) => text.includes('numgen random'));
  if (rule === undefined) throw new Error(`${chain} of ${node.name} has no rule that chooses an endpoint`);
  return {
    chain,
    handle: rule.handle,
    targets: [...rule.text.matchAll(/\d+ : (\S+ \. \d+)/g)].map((match) => match[1] ?? ''),
  };
}

/** Has the Service's chain choose among these targets instead of its endpoints; one that is there twice gets twice the share. */
export async function nftBalanceTo(node: ClusterNode, service: string, targets: readonly string[]): Promise<void> {
  const { chain, handle } = await nftBalancer(node, service);
  const map = targets.map((target, index) => `${String(index)} : ${target}`).join(', ');
  await nft(
    node,
    `replace rule ip kube-proxy ${chain} handle ${handle} meta l4proto tcp dnat ip to numgen random mod ${String(targets.length)} map { ${map} }`,
  );
}
