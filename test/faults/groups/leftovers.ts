/** Rules of another proxy mode or another backend, as a kube-proxy leaves them that ended without cleaning up. */
import type { Fault, FaultGroup } from '../fault.ts';
import { nft } from '../nft-edits.ts';
import type { Place } from '../place.ts';
import { service } from '../workload.ts';

const own = 'leftovers';

/** The nat rules that node-a's kube-proxy writes, for iptables-restore. */
async function natRulesOfNodeA(place: Place): Promise<string> {
  const { stdout } = await place.node('node-a').exec(['iptables-nft-save', '-t', 'nat']);
  // Counters of nfacct are objects of their own, which another node does not have.
  const lines = stdout
    .split('\n')
    .filter(
      (line) => /^(:KUBE-|-A (KUBE-|PREROUTING |OUTPUT |POSTROUTING ))/.test(line) && !line.includes('-m nfacct'),
    );
  return ['*nat', ...lines.map((line) => line.replace(/\[\d+:\d+\]/, '[0:0]')), 'COMMIT', ''].join('\n');
}

/** Empties the nat table of one backend and takes the chains away that no built-in one needs. */
async function clearNat(place: Place, node: string, program: string): Promise<void> {
  for (const args of ['-F', '-X']) await place.node(node).exec([program, '--wait', '-t', 'nat', args]);
}

function leftover(
  fault: Pick<Fault, 'name' | 'does'> & {
    readonly node: string;
    readonly id: string;
    readonly make: (place: Place) => Promise<unknown>;
    readonly clear: (place: Place) => Promise<unknown>;
  },
): Fault {
  const { name, does, node, id, make, clear } = fault;
  return {
    name,
    does: `${does} (${node})`,
    node,
    service: own,
    objects: [service(own)],
    expected: [`${id} ${node}`],
    inject: async (place) => {
      await make(place);
      return async () => clear(place);
    },
  };
}

export const leftovers: FaultGroup = {
  name: 'leftovers of another mode',
  graceSeconds: 0,
  faults: [
    leftover({
      name: 'nftables-leftover',
      does: 'the table kube-proxy of the nftables mode is there beside the rules of the iptables mode',
      node: 'node-a',
      id: 'KP-MODE-LEFTOVER',
      make: async (place) => {
        const { stdout } = await place.node('node-b').exec(['nft', 'list', 'table', 'ip', 'kube-proxy']);
        await nft(place.node('node-a'), stdout);
      },
      clear: async (place) => nft(place.node('node-a'), 'delete table ip kube-proxy'),
    }),
    leftover({
      name: 'iptables-leftover',
      does: "the nat rules of the iptables mode are there beside the nftables mode's table",
      node: 'node-b',
      id: 'KP-MODE-LEFTOVER',
      make: async (place) =>
        place.node('node-b').exec(['iptables-nft-restore', '--noflush'], { input: await natRulesOfNodeA(place) }),
      clear: async (place) => clearNat(place, 'node-b', 'iptables-nft'),
    }),
    leftover({
      name: 'both-backends-filled',
      does: "kube-proxy's rules are in nf_tables as well as in legacy, as after a change of the backend without a reboot",
      node: 'node-c',
      id: 'RULE-LEGACY+NFT',
      make: async (place) =>
        place.node('node-c').exec(['iptables-nft-restore', '--noflush'], { input: await natRulesOfNodeA(place) }),
      clear: async (place) => clearNat(place, 'node-c', 'iptables-nft'),
    }),
  ],
};
