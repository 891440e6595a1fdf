/** Connections through a node that sends a virtual address on: whether their answers come to the client, by the kernel and by the evaluator. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { answerTo, fateOf } from '../../core/evaluate/answer.ts';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import type { Packet } from '../../core/evaluate/walk.ts';
import { RulesetDump } from '../../core/ruleset/read-dumps.ts';
import { mergeRulesets } from '../../core/ruleset/read-dumps.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['ip', 'nft', 'nsenter', 'xtables-nft-multi', 'conntrack']);
const ends = `${process.execPath} ${fileURLToPath(new URL('answer-ends.ts', import.meta.url))}`;

const client = '10.0.1.2';
const server = '10.0.2.2';
const virtual = '10.96.0.7';
const nodeAddresses = ['10.0.1.1', '10.0.2.1'];

/** What comes: the address that the server was asked from; nothing in time; or a word of refusal. */
type Outcome = 'client' | 'node' | 'silence' | 'refused';

interface Case {
  readonly name: string;
  /** `TABLE CHAIN RULE` of iptables, put before those that are there. */
  readonly iptables?: readonly string[];
  readonly nft?: string;
  readonly from?: 'client' | 'node';
  readonly protocol?: 'TCP' | 'UDP';
  readonly outcome: Outcome;
}

/** What the evaluator has to distinguish: each of these decides by where in the hooks an answer looks how. */
const cases: readonly Case[] = [
  { name: 'nothing in the way', outcome: 'client' },
  { name: 'nothing in the way of a datagram', protocol: 'UDP', outcome: 'client' },
  { name: "nothing in the way of the node's own", from: 'node', outcome: 'node' },
  // NOTRACK
  {
    name: 'the first packet is not tracked, and so not rewritten',
    iptables: [`raw PREROUTING -d ${virtual} -j CT --notrack`],
    outcome: 'silence',
  },
  {
    name: 'the first packet is not tracked, by NOTRACK',
    iptables: [`raw PREROUTING -d ${virtual} -j NOTRACK`],
    outcome: 'silence',
  },
  {
    name: 'the answer is not tracked, and so not turned back',
    iptables: [`raw PREROUTING -s ${server} -p tcp -m tcp --sport 8080 -j CT --notrack`],
    outcome: 'silence',
  },
  {
    name: 'the answer of a datagram is not tracked',
    protocol: 'UDP',
    iptables: [`raw PREROUTING -s ${server} -j CT --notrack`],
    outcome: 'silence',
  },
  {
    name: 'nftables: the first packet is not tracked',
    nft: `chain c { type filter hook prerouting priority raw; ip daddr ${virtual} notrack; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables: the answer is not tracked',
    nft: `chain c { type filter hook prerouting priority raw; ip saddr ${server} notrack; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables: notrack behind conntrack does nothing',
    nft: `chain c { type filter hook prerouting priority -190; ip daddr ${virtual} notrack; }`,
    outcome: 'client',
  },
  // zones
  {
    name: 'the first packet is in a zone, and the answer is not',
    iptables: [`raw PREROUTING -d ${virtual} -j CT --zone 7`],
    outcome: 'silence',
  },
  {
    name: 'the answer is in a zone, and the first packet is not',
    iptables: [`raw PREROUTING -s ${server} -j CT --zone 7`],
    outcome: 'silence',
  },
  { name: 'both are in one zone', iptables: [`raw PREROUTING -j CT --zone 7`], outcome: 'client' },
  {
    name: 'both are in zones, and they differ',
    iptables: [`raw PREROUTING -s ${server} -j CT --zone 7`, `raw PREROUTING -d ${virtual} -j CT --zone 8`],
    outcome: 'silence',
  },
  {
    name: 'a zone of the first direction alone',
    iptables: [`raw PREROUTING -d ${virtual} -j CT --zone-orig 7`],
    outcome: 'client',
  },
  {
    name: 'a zone of the reply direction alone, where the first packet is',
    iptables: [`raw PREROUTING -d ${virtual} -j CT --zone-reply 7`],
    outcome: 'silence',
  },
  {
    name: 'a zone of the reply direction, on both',
    iptables: [`raw PREROUTING -d ${virtual} -j CT --zone-reply 7`, `raw PREROUTING -s ${server} -j CT --zone-reply 7`],
    outcome: 'client',
  },
  {
    name: 'the zone of the rule that comes first',
    iptables: [
      `raw PREROUTING -s ${server} -j CT --zone 7`,
      `raw PREROUTING -d ${virtual} -j CT --zone 9`,
      `raw PREROUTING -d ${virtual} -j CT --zone 7`,
    ],
    outcome: 'client',
  },
  {
    name: 'datagrams in zones that differ',
    protocol: 'UDP',
    iptables: [`raw PREROUTING -s ${server} -j CT --zone 7`],
    outcome: 'silence',
  },
  {
    name: 'nftables: the first packet is in a zone',
    nft: `chain c { type filter hook prerouting priority raw; ip daddr ${virtual} ct zone set 7; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables: a zone of the first direction alone',
    nft: `chain c { type filter hook prerouting priority raw; ip daddr ${virtual} ct original zone set 7; }`,
    outcome: 'client',
  },
  {
    name: 'nftables: both in a zone',
    nft: 'chain c { type filter hook prerouting priority raw; ct zone set 7; }',
    outcome: 'client',
  },
  {
    name: "the node's own, with the answer in a zone",
    from: 'node',
    iptables: [`raw PREROUTING -s ${server} -j CT --zone 7`],
    outcome: 'silence',
  },
  {
    name: "the node's own, with both in a zone",
    from: 'node',
    iptables: [`raw PREROUTING -s ${server} -j CT --zone 7`, `raw OUTPUT -d ${virtual} -j CT --zone 7`],
    outcome: 'node',
  },
  // filters
  {
    name: 'FORWARD drops what comes from the server',
    iptables: [`filter FORWARD -s ${server} -p tcp -m tcp --sport 8080 -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'FORWARD sees no answer of the virtual address',
    iptables: [`filter FORWARD -s ${virtual} -j DROP`],
    outcome: 'client',
  },
  {
    name: 'mangle POSTROUTING sees no answer of the virtual address',
    iptables: [`mangle POSTROUTING -s ${virtual} -j DROP`],
    outcome: 'client',
  },
  {
    name: 'mangle POSTROUTING drops what comes from the server',
    iptables: [`mangle POSTROUTING -s ${server} -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'nftables behind nat sees the virtual address',
    nft: `chain c { type filter hook postrouting priority 110; ip saddr ${virtual} drop; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables behind nat does not see the server',
    nft: `chain c { type filter hook postrouting priority 110; ip saddr ${server} drop; }`,
    outcome: 'client',
  },
  {
    name: 'an answer is not a SYN',
    iptables: [`filter FORWARD -s ${server} -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP`],
    outcome: 'client',
  },
  {
    name: 'an answer is SYN and ACK',
    iptables: [`filter FORWARD -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'nftables: an answer is SYN and ACK',
    nft: 'chain c { type filter hook forward priority 0; tcp flags & (syn | ack) == syn | ack drop; }',
    outcome: 'silence',
  },
  {
    name: 'an answer is ESTABLISHED',
    iptables: ['filter FORWARD -m conntrack --ctstate ESTABLISHED -j DROP'],
    outcome: 'silence',
  },
  {
    name: 'an answer is not NEW',
    iptables: [`filter FORWARD -s ${server} -m conntrack --ctstate NEW -j DROP`],
    outcome: 'client',
  },
  {
    name: 'an answer has the state DNAT',
    iptables: [`filter FORWARD -s ${server} -m conntrack --ctstate DNAT -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'an answer has the direction REPLY',
    iptables: ['filter FORWARD -m conntrack --ctdir REPLY -j DROP'],
    outcome: 'silence',
  },
  {
    name: 'an answer keeps the original destination',
    iptables: [`filter FORWARD -s ${server} -m conntrack --ctorigdst ${virtual} -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'an answer is SEEN_REPLY',
    iptables: [`filter FORWARD -m conntrack --ctstatus SEEN_REPLY -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'an answer without its connection is INVALID',
    iptables: [`raw PREROUTING -s ${server} -j CT --zone 7`, `filter FORWARD -m conntrack --ctstate INVALID -j REJECT`],
    outcome: 'silence',
  },
  {
    name: 'nftables: an answer is established',
    nft: `chain c { type filter hook forward priority 0; ip saddr ${server} ct state established drop; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables: an answer has the direction reply',
    nft: 'chain c { type filter hook forward priority 0; ct direction reply drop; }',
    outcome: 'silence',
  },
  {
    name: 'nftables: an answer keeps the original destination',
    nft: `chain c { type filter hook forward priority 0; ct direction reply ct original ip daddr ${virtual} drop; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables: an answer is dnat and seen-reply',
    nft: `chain c { type filter hook forward priority 0; ct status dnat ct status seen-reply drop; }`,
    outcome: 'silence',
  },
  {
    name: 'the mark of the connection stays for its answer',
    iptables: [
      `mangle PREROUTING -d ${virtual} -j CONNMARK --set-xmark 0x5/0xffffffff`,
      `filter FORWARD -s ${server} -m connmark --mark 0x5 -j DROP`,
    ],
    outcome: 'silence',
  },
  {
    name: 'the mark of the packet does not',
    iptables: [
      `mangle PREROUTING -d ${virtual} -j MARK --set-xmark 0x5/0xffffffff`,
      `filter FORWARD -s ${server} -m mark --mark 0x5 -j DROP`,
    ],
    outcome: 'client',
  },
  {
    name: 'nat sees no answer',
    iptables: [
      `nat PREROUTING -s ${server} -j DNAT --to-destination 10.0.2.9`,
      `nat POSTROUTING -s ${server} -j SNAT --to-source 10.0.1.9`,
    ],
    outcome: 'client',
  },
  {
    name: 'a filter of the answer of a datagram',
    protocol: 'UDP',
    iptables: [`filter FORWARD -s ${server} -p udp -m udp --sport 8080 -j DROP`],
    outcome: 'silence',
  },
  // the node's own
  {
    name: "INPUT sees the node's own answer as the server's",
    from: 'node',
    iptables: [`filter INPUT -s ${server} -p tcp -m tcp --sport 8080 -j DROP`],
    outcome: 'silence',
  },
  {
    name: "INPUT does not see the node's own answer as the virtual address's",
    from: 'node',
    iptables: [`filter INPUT -s ${virtual} -j DROP`],
    outcome: 'node',
  },
  {
    name: "nftables behind nat of INPUT sees the node's own answer as the virtual address's",
    from: 'node',
    nft: `chain c { type filter hook input priority 110; ip saddr ${virtual} drop; }`,
    outcome: 'silence',
  },
  {
    name: "FORWARD does not see the node's own answer",
    from: 'node',
    iptables: ['filter FORWARD -j DROP'],
    outcome: 'node',
  },
  // masquerading
  {
    name: 'masqueraded',
    iptables: [
      'nat POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE',
      `mangle PREROUTING -d ${virtual} -j MARK --set-xmark 0x4000/0x4000`,
    ],
    outcome: 'node',
  },
  {
    name: 'the mark cleared in mangle POSTROUTING',
    iptables: [
      'nat POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE',
      `mangle PREROUTING -d ${virtual} -j MARK --set-xmark 0x4000/0x4000`,
      'mangle POSTROUTING -j MARK --set-xmark 0x0/0xffffffff',
    ],
    outcome: 'client',
  },
  {
    name: 'accepted before it is masqueraded',
    iptables: ['nat POSTROUTING -j MASQUERADE', `nat POSTROUTING -d ${server} -j ACCEPT`],
    outcome: 'client',
  },
  {
    name: 'returned before it is masqueraded',
    iptables: ['nat POSTROUTING -j MASQUERADE', `nat POSTROUTING -p tcp -j RETURN`],
    outcome: 'client',
  },
  {
    name: 'raw sees a masqueraded answer to the node',
    iptables: ['nat POSTROUTING -j MASQUERADE', `raw PREROUTING -s ${server} -d 10.0.2.1 -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'mangle PREROUTING sees a masqueraded answer to the node',
    iptables: ['nat POSTROUTING -j MASQUERADE', `mangle PREROUTING -s ${server} -d 10.0.2.1 -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'nftables behind nat of PREROUTING sees a masqueraded answer to the client',
    iptables: ['nat POSTROUTING -j MASQUERADE'],
    nft: `chain c { type filter hook prerouting priority -90; ip saddr ${server} ip daddr ${client} drop; }`,
    outcome: 'silence',
  },
  {
    name: 'FORWARD sees a masqueraded answer to the client',
    iptables: ['nat POSTROUTING -j MASQUERADE', `filter FORWARD -s ${server} -d ${client} -j DROP`],
    outcome: 'silence',
  },
  {
    name: 'FORWARD sees no masqueraded answer to the node',
    iptables: ['nat POSTROUTING -j MASQUERADE', `filter FORWARD -s ${server} -d 10.0.2.1 -j DROP`],
    outcome: 'node',
  },
  {
    name: 'INPUT sees no masqueraded answer',
    iptables: ['nat POSTROUTING -j MASQUERADE', `filter INPUT -s ${server} -j DROP`],
    outcome: 'node',
  },
  // where nat has its turn
  {
    name: 'nftables: nat of any priority comes behind mangle',
    iptables: [`mangle PREROUTING -d ${virtual} -j MARK --set-xmark 0x5/0xffffffff`],
    nft: `chain c { type nat hook prerouting priority -190; ip daddr ${virtual} meta mark 5 dnat to 10.0.2.9; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables: nat of an earlier priority comes before that of iptables',
    nft: `chain c { type nat hook prerouting priority -110; ip daddr ${virtual} dnat to 10.0.2.9; }`,
    outcome: 'silence',
  },
  {
    name: 'nftables: nat of a later priority comes behind that of iptables',
    nft: `chain c { type nat hook prerouting priority -90; ip daddr ${virtual} dnat to 10.0.2.9; }`,
    outcome: 'client',
  },
  {
    name: 'nftables: a source nat of an earlier priority comes behind mangle',
    iptables: ['mangle POSTROUTING -j MARK --set-xmark 0x5/0xffffffff'],
    nft: 'chain c { type nat hook postrouting priority -190; meta mark 5 masquerade; }',
    outcome: 'node',
  },
];

const base = ['PREROUTING', 'OUTPUT'].flatMap((chain) =>
  ['tcp', 'udp'].map(
    (protocol) =>
      `nat ${chain} -d ${virtual} -p ${protocol} -m ${protocol} --dport 80 -j DNAT --to-destination ${server}:8080`,
  ),
);

/** Rules as iptables-restore reads them, those of a case before the others. */
function restoring(rules: readonly string[]): string {
  const tables = Map.groupBy(
    [...rules.toReversed(), ...base].map(
      (rule) => [rule.slice(0, rule.indexOf(' ')), rule.slice(rule.indexOf(' ') + 1)] as const,
    ),
    ([table]) => table,
  );
  return [...tables]
    .map(([table, own]) => `*${table}\n${own.map(([, rule]) => `-A ${rule}\n`).join('')}COMMIT\n`)
    .join('');
}

const topology = `set -u; client=; server=; serving=; asking=; asking_itself=; listening=; fifos=; trap 'kill $client $server $serving $asking $asking_itself; rm -rf $listening $fifos' EXIT
ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward
unshare --net sleep 300 & client=$!; unshare --net sleep 300 & server=$!
until [ "$(readlink /proc/$client/ns/net)" != "$(readlink /proc/self/ns/net)" ] && [ "$(readlink /proc/$server/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add veth-client type veth peer name eth0 netns $client; ip link add veth-server type veth peer name eth0 netns $server
ip addr add 10.0.1.1/24 dev veth-client; ip addr add 10.0.2.1/24 dev veth-server; ip link set veth-client up; ip link set veth-server up
ip route add 10.96.0.0/16 via ${server}
nsenter -t $client -n sh -c 'ip addr add ${client}/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via 10.0.1.1'
nsenter -t $server -n sh -c 'ip addr add ${server}/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via 10.0.2.1'
listening=$(mktemp); nsenter -t $server -n ${ends} serve 8080 >"$listening" & serving=$!
until grep -q listening "$listening"; do kill -0 $serving; sleep 0.1; done
fifos=$(mktemp -d); mkfifo $fifos/question $fifos/answer $fifos/own-question $fifos/own-answer
nsenter -t $client -n ${ends} ask <$fifos/question >$fifos/answer & asking=$!; exec 3>$fifos/question 4<$fifos/answer
${ends} ask <$fifos/own-question >$fifos/own-answer & asking_itself=$!; exec 5>$fifos/own-question 6<$fifos/own-answer
`;

function scriptOf({ iptables = [], nft, from = 'client', protocol = 'TCP' }: Case): string {
  const [question, answer] = from === 'client' ? [3, 4] : [5, 6];
  return `nft flush ruleset
iptables-nft-restore <<'RULES'
${restoring(iptables)}RULES
${nft === undefined ? '' : `nft -f - <<'RULES'\ntable ip other { ${nft}; }\nRULES`}
echo '=== case'; echo '${virtual} 80 ${protocol}' >&${String(question)}; read -r said <&${String(answer)}; echo "$said"
echo '=== iptables'; iptables-nft-save 2>/dev/null
echo '=== nft'; nft -j list ruleset
`;
}

interface Measured {
  readonly outcome: Outcome;
  readonly iptables: string;
  readonly nft: string;
}

let measured: readonly Measured[] = [];

beforeAll(async () => {
  if (unavailable !== undefined) return;
  const output = await inNamespace(`${topology}${cases.map(scriptOf).join('\n')}`, '', 280_000);
  measured = output
    .split('=== case\n')
    .slice(1)
    .map((text): Measured => {
      const [verdict = '', rest = ''] = text.split('=== iptables\n');
      const [iptables = '', nft = ''] = rest.split('=== nft\n');
      const word = verdict.trim();
      return {
        outcome:
          word === client
            ? 'client'
            : nodeAddresses.includes(word)
              ? 'node'
              : word === 'refused'
                ? 'refused'
                : 'silence',
        iptables,
        nft,
      };
    });
}, 300_000);

/** Of all branches together: each case has one. */
function evaluated({ from = 'client', protocol = 'TCP' }: Case, dumps: Measured): Outcome {
  const ruleset = mergeRulesets(
    [dumps.iptables, dumps.nft].map((text) => {
      const dump = new RulesetDump();
      dump.push(new TextEncoder().encode(text));
      return dump.end();
    }),
  );
  const machine = { addresses: nodeAddresses, ipSets: new Map() };
  const isNode = from === 'node';
  const packet: Packet = {
    source: isNode ? '10.0.2.1' : client,
    destination: virtual,
    destinationPort: 80,
    protocol,
    entersAt: isNode ? 'OUTPUT' : 'PREROUTING',
    ...(isNode ? {} : { inInterface: 'veth-client' }),
    outInterface: 'veth-server',
  };
  const outcomes = walkRuleset(ruleset, packet, nodeAddresses).leaves.map((leaf): Outcome => {
    if (leaf.verdict === 'REJECT') return 'refused';
    if (leaf.verdict !== 'DNAT' || leaf.dnat?.address !== server) return 'silence';
    const answer = answerTo(packet, leaf, machine, '10.0.2.1');
    const fates = walkRuleset(ruleset, answer, nodeAddresses).leaves.map((each) => fateOf(packet, answer, each));
    return !fates.every((fate) => fate === 'arrives') ? 'silence' : isNode || leaf.masquerade ? 'node' : 'client';
  });
  return outcomes.length === 1 ? (outcomes[0] ?? 'silence') : 'silence';
}

describe('an answer', () => {
  it.each(cases.map((each, index) => ({ each, index })))('$each.name', ({ each, index }) => {
    if (unavailable !== undefined) return;
    const found = measured[index];
    expect(found?.outcome, 'the kernel').toBe(each.outcome);
    expect(found === undefined ? undefined : evaluated(each, found), 'the evaluator').toBe(each.outcome);
  });

  it('is asked of the kernel', ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    expect(measured).toHaveLength(cases.length);
  });
});
