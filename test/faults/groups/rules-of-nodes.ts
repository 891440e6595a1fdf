/** Rules that concern all Services of a node: three faults at a time, one on each node, seen from the same Service. */
import type { Fault, FaultGroup, Undo } from '../fault.ts';
import { deleteRule, iptables, only, rulesOf } from '../iptables-edits.ts';
import { nft } from '../nft-edits.ts';
import type { Place } from '../place.ts';
import { service } from '../workload.ts';

/** The chain, and the nft table, of faults that stand for somebody else's rules. */
const foreign = 'SVCTRACE-FAULT';
const foreignTable = 'svctrace_fault';

interface NodeFault {
  readonly name: string;
  readonly does: string;
  readonly node: string;
  readonly ids: readonly string[];
  readonly edit: (place: Place, node: string, service: string) => Promise<unknown>;
  readonly undo?: (place: Place, node: string) => Promise<unknown>;
}

/** The faults of one group are seen from one Service with a NodePort. */
function groupOf(name: string, faults: readonly NodeFault[]): FaultGroup {
  const own = `node-rules-${name.replaceAll(' ', '-')}`;
  return {
    name: `rules of a node: ${name}`,
    graceSeconds: 0,
    faults: faults.map(({ node, ids, edit, undo, ...fault }): Fault => ({
      ...fault,
      does: `${fault.does} (${node})`,
      node,
      service: own,
      objects: [service(own, { type: 'NodePort' })],
      expected: ids.map((id) => `${id} ${node}`).sort(),
      inject: async (place): Promise<Undo> => {
        const restart = place.restartKubeProxyAfter(node);
        await restart();
        await edit(place, node, own);
        return async () => {
          await undo?.(place, node);
          await restart();
        };
      },
    })),
  };
}

/** Drops what goes to the pods of the Service, in a hook of the table; the address family and the port are those of the pods. */
async function dropToPods(place: Place, node: string, name: string, table: string, chain: string): Promise<void> {
  const { addresses } = await place.endpoints(name);
  for (const address of addresses)
    await iptables(
      place.node(node),
      table,
      `-I ${chain} -d ${address}/32 -p tcp -m tcp --dport 8080 -m comment --comment "an admin was here" -j DROP`,
    );
}

async function deleteForeign(place: Place, node: string, table: string, chain: string): Promise<void> {
  for (const rule of await rulesOf(place.node(node), table, chain))
    if (rule.includes('an admin was here')) await deleteRule(place.node(node), table, rule);
}

export const rulesOfNodes: readonly FaultGroup[] = [
  groupOf('jumps', [
    {
      name: 'prerouting-jump-deleted',
      does: 'the rule that leads PREROUTING of the nat table to KUBE-SERVICES is deleted',
      node: 'node-a',
      ids: ['RULE-NO-JUMP'],
      edit: async (place, node) =>
        deleteRule(
          place.node(node),
          'nat',
          only(await rulesOf(place.node(node), 'nat', 'PREROUTING'), '-j KUBE-SERVICES'),
        ),
    },
    {
      name: 'nat-prerouting-emptied',
      does: 'the chain nat-prerouting of the table kube-proxy is emptied',
      node: 'node-b',
      ids: ['RULE-NO-JUMP'],
      edit: async (place, node) => nft(place.node(node), 'flush chain ip kube-proxy nat-prerouting'),
    },
    {
      name: 'nat-table-flushed',
      does: 'iptables -t nat -F: all rules of the nat table are gone, and the chains are still there',
      node: 'node-c',
      ids: ['DNS-DOWN', 'RULE-NO-JUMP'],
      edit: async (place, node) => iptables(place.node(node), 'nat', '-F'),
    },
  ]),
  groupOf('masquerading', [
    {
      name: 'postrouting-emptied',
      does: 'KUBE-POSTROUTING is emptied: nothing that is marked is masqueraded',
      node: 'node-a',
      ids: ['RULE-NO-MASQ'],
      edit: async (place, node) => iptables(place.node(node), 'nat', '-F KUBE-POSTROUTING'),
    },
    {
      name: 'masquerading-emptied',
      does: 'the chain masquerading of the table kube-proxy is emptied',
      node: 'node-b',
      ids: ['RULE-NO-HAIRPIN-MASQ', 'RULE-NO-MASQ'],
      edit: async (place, node) => nft(place.node(node), 'flush chain ip kube-proxy masquerading'),
    },
    {
      name: 'mark-changed',
      does: 'KUBE-MARK-MASQ sets another mark than the one that KUBE-POSTROUTING heeds',
      node: 'node-c',
      ids: ['RULE-NO-MASQ'],
      edit: async (place, node) => {
        await iptables(place.node(node), 'nat', '-F KUBE-MARK-MASQ');
        await iptables(place.node(node), 'nat', '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x8000/0x8000');
      },
    },
  ]),
  groupOf('foreign drops', [
    {
      name: 'foreign-drop-in-forward',
      does: 'somebody drops packets to the pods at the head of FORWARD',
      node: 'node-a',
      ids: ['RULE-FOREIGN'],
      edit: async (place, node, name) => dropToPods(place, node, name, 'filter', 'FORWARD'),
      undo: async (place, node) => deleteForeign(place, node, 'filter', 'FORWARD'),
    },
    {
      name: 'foreign-drop-in-nftables',
      does: 'a table of somebody else drops packets to the pods in its forward hook',
      node: 'node-b',
      ids: ['RULE-FOREIGN'],
      edit: async (place, node, name) => {
        const { addresses } = await place.endpoints(name);
        await nft(
          place.node(node),
          `table ip ${foreignTable} { chain forward { type filter hook forward priority -10; policy accept; ip daddr { ${addresses.join(', ')} } tcp dport 8080 drop; }; }`,
        );
      },
      undo: async (place, node) => nft(place.node(node), `delete table ip ${foreignTable}`),
    },
    {
      name: 'foreign-drop-in-raw',
      does: "somebody drops packets to the Service's cluster IP in PREROUTING of the raw table",
      node: 'node-c',
      ids: ['RULE-FOREIGN'],
      edit: async (place, node, name) =>
        iptables(
          place.node(node),
          'raw',
          `-I PREROUTING -d ${await place.clusterIp(name)}/32 -p tcp -m comment --comment "an admin was here" -j DROP`,
        ),
      undo: async (place, node) => deleteForeign(place, node, 'raw', 'PREROUTING'),
    },
  ]),
  groupOf('other owners', [
    {
      name: 'policy-plugin-drop',
      does: 'a chain of a network plugin, to which FORWARD jumps, drops what no policy of it lets through to the pods',
      node: 'node-a',
      ids: ['RULE-FOREIGN'],
      edit: async (place, node, name) => {
        await iptables(place.node(node), 'filter', `-N ${foreign}`);
        await dropToPods(place, node, name, 'filter', foreign);
        await iptables(place.node(node), 'filter', `-I FORWARD -m comment --comment "an admin was here" -j ${foreign}`);
      },
      undo: async (place, node) => {
        await deleteForeign(place, node, 'filter', 'FORWARD');
        await iptables(place.node(node), 'filter', `-F ${foreign}`);
        await iptables(place.node(node), 'filter', `-X ${foreign}`);
      },
    },
    {
      name: 'table-deleted',
      does: 'the table ip kube-proxy is deleted',
      node: 'node-b',
      ids: ['DNS-DOWN', 'RULE-NO-JUMP'],
      edit: async (place, node) => nft(place.node(node), 'delete table ip kube-proxy'),
    },
    {
      name: 'forward-policy-drop',
      does: 'the policy of FORWARD becomes DROP, as Docker sets it, and only DNS is let through: other packets that nobody accepts are lost',
      node: 'node-c',
      ids: ['RULE-FOREIGN'],
      edit: async (place, node) => {
        for (const protocol of ['udp', 'tcp'])
          await iptables(
            place.node(node),
            'filter',
            `-A FORWARD -p ${protocol} -m ${protocol} --dport 1053 -m comment --comment "an admin was here" -j ACCEPT`,
          );
        await iptables(place.node(node), 'filter', '-P FORWARD DROP');
      },
      undo: async (place, node) => {
        await iptables(place.node(node), 'filter', '-P FORWARD ACCEPT');
        await deleteForeign(place, node, 'filter', 'FORWARD');
      },
    },
  ]),
];
