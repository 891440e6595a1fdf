/** Netfilter's hooks in their order: what is registered at each sees the packet as the ones before left it. */
import { addressSet } from '../net/address.ts';
import { familyOf } from '../net/family.ts';
import { withoutIdleAssumptions } from './assume.ts';
import { defaultZone, destinationOf, trackedAs } from './packet-ends.ts';
import type { AddressClasses } from './address-classes.ts';
import { Endings, mergeBranches } from './merge-branches.ts';
import type { Trail } from './walk.ts';
import {
  pathOf,
  type At,
  type Branch,
  type ChainOutcome,
  type Connection,
  type Leaf,
  type Machine,
  type Packet,
  type PacketEnd,
  type WalkResult,
} from './walk.ts';
import { natPriority, priorities, type Hook } from '../net/netfilter.ts';

/** Something that is registered at a hook: a base chain, or a part of one. */
export interface HookedChain {
  readonly hook: Hook;
  /** The lower, the earlier (netfilter_ipv4.h enum nf_ip_hook_priorities). */
  readonly priority: number;
  /**
   * A nat chain sees no packet that has been rewritten at this hook already, nor an untracked one, nor an answer. All of
   * them have their turn where netfilter's nat has its own (nf_nat_core.c nf_nat_register_fn); the priority of one of
   * nftables shows its turn among them.
   */
  readonly isNat: boolean;
  readonly isDropPolicy: boolean;
  /** IPVS takes what it schedules out of the hook, and sends it on through OUTPUT and POSTROUTING (ip_vs_nat_xmit). */
  readonly isIpvs?: boolean;
  run(branches: readonly Branch[], at: At): ChainOutcome;
}

/**
 * Sends the packet's branches through the hooks of its path: PREROUTING, then INPUT or FORWARD, or OUTPUT; then
 * POSTROUTING; a packet that the node sends to itself comes back by lo. An answer passes the same hooks, and conntrack
 * turns it back where its nat would rewrite the first packet of a connection.
 * @param classes by which destinations of these chains are evaluated together where none of them distinguishes them
 */
export function walkHooks(
  hooked: readonly HookedChain[],
  packet: Packet,
  machine: Machine,
  trail: Trail,
  classes?: AddressClasses,
): WalkResult {
  const chains = [...hooked, ...turningBack(packet)].sort(
    (one, other) => positionOf(one) - positionOf(other) || one.priority - other.priority,
  );
  const endings = new Endings();
  const end = (branch: Branch, leaf: Leaf): void => {
    endings.add(branch, leaf);
  };
  trail.sharesChoices = classes !== undefined;
  /** Taken by IPVS, and not sent on yet. */
  let scheduled: Branch[] = [];

  /** @param isConfirmed the packet went through nat before: lo gave it back, or IPVS sent it on */
  const pass = (at: At, entering: readonly Branch[], isConfirmed = false): readonly Branch[] => {
    let live = entering;
    for (const chain of chains) {
      if (chain.hook !== at.hook || live.length === 0 || (isConfirmed && (chain.isNat || chain.isIpvs === true)))
        continue;
      const isDone = (branch: Branch): boolean =>
        chain.isNat &&
        (trackedAs(packet, branch) !== 'new' ||
          (natPriority(chain.hook) === priorities.sourceNat
            ? branch.masqueradedBy !== undefined
            : branch.dnat !== undefined));
      const { through, ended } = chain.run(
        live.filter((branch) => !isDone(branch)),
        at,
      );
      const next: Branch[] = live.filter(isDone);
      for (const branch of ended) {
        if (chain.isIpvs === true && branch.verdict === 'DNAT') scheduled.push(branch);
        else if (branch.verdict === 'DROP' || branch.verdict === 'REJECT' || branch.verdict === 'UNKNOWN')
          end(branch, leafOf(branch, packet, branch.verdict, branch.chain));
        else next.push(branch.verdict === 'ACCEPT' && isFilter(chain) ? { ...branch, accepted: branch.chain } : branch);
      }
      if (chain.isDropPolicy)
        for (const branch of through) end(branch, { ...leafOf(branch, packet, 'DROP'), droppedByPolicyOf: at.hook });
      else next.push(...through);
      const merged = classes === undefined ? next : mergeBranches(next, classes, packet);
      live = trail.followsUnknown ? withoutIdleAssumptions(merged) : merged;
    }
    return live;
  };

  /**
   * At POSTROUTING a packet of others still has the interface by which it came (Linux 5.7, commit 28f8bfd1ac94: ip_output
   * gives skb->dev), the node's own has none.
   */
  const cameBy = packet.entersAt === 'OUTPUT' ? '' : packet.inInterface;
  const sendOn = (): readonly Branch[] => {
    const taken = scheduled;
    scheduled = [];
    const { outInterface } = packet;
    return pass(
      { hook: 'postrouting', inInterface: cameBy, outInterface },
      pass({ hook: 'output', inInterface: '', outInterface }, taken, true),
    );
  };

  const isForNode = (branch: Branch): boolean => isOwnAddress(machine, destinationOf(packet, branch));
  const { connection } = packet.answers ?? {};
  const start: readonly Branch[] = [
    {
      probability: 1,
      mark: 0,
      ...(connection === undefined
        ? {}
        : { connectionMark: connection.mark, isConnectionMarkUnknown: connection.isMarkUnknown === true }),
    },
  ];
  if (packet.entersAt === 'OUTPUT') {
    const isLoop = isOwnAddress(machine, packet.destination);
    const sent = pass({ hook: 'output', inInterface: '', outInterface: isLoop ? 'lo' : packet.outInterface }, start);
    for (const branch of sendOn()) end(branch, finalLeaf(branch, packet));
    const there = pass(
      { hook: 'postrouting', inInterface: '', outInterface: packet.outInterface },
      sent.filter((branch) => !isForNode(branch)),
    );
    const back = pass({ hook: 'postrouting', inInterface: '', outInterface: 'lo' }, sent.filter(isForNode));
    const again = pass({ hook: 'prerouting', inInterface: 'lo', outInterface: '' }, back, true);
    for (const branch of [...there, ...pass({ hook: 'input', inInterface: 'lo', outInterface: '' }, again, true)])
      end(branch, finalLeaf(branch, packet));
  } else {
    const { inInterface, outInterface } = packet;
    const routed = pass({ hook: 'prerouting', inInterface, outInterface: '' }, start);
    const received = pass({ hook: 'input', inInterface, outInterface: '' }, routed.filter(isForNode));
    for (const branch of sendOn()) end(branch, finalLeaf(branch, packet));
    const forwarded = pass(
      { hook: 'forward', inInterface, outInterface },
      routed.filter((branch) => !isForNode(branch)),
    );
    for (const branch of [...received, ...pass({ hook: 'postrouting', inInterface: cameBy, outInterface }, forwarded)])
      end(branch, finalLeaf(branch, packet));
  }
  const { steps, outline } = trail;
  return { leaves: endings.leaves(), steps, outline, unknown: [...trail.unknown], assumed: [...trail.assumed] };
}

/** Where a firewall decides; firewalld registers ten behind the others. */
function isFilter({ priority }: HookedChain): boolean {
  return priority >= priorities.filter && priority < priorities.security;
}

const loopback = addressSet(['::1']);

/** A packet from one of the machine's own addresses is one that it sends itself. */
export function entryOf(addresses: readonly string[], source: string): Packet['entersAt'] {
  return isOwnAddress({ addresses }, source) ? 'OUTPUT' : 'PREROUTING';
}

/**
 * Where REDIRECT may send a packet: at OUTPUT to loopback, elsewhere to the first address of the interface by which it came
 * (nf_nat_redirect.c). Which interface has which address is not known, so these are all that the machine has of the family; none for more than can be distinguished.
 */
export function redirectAddresses(packet: Packet, { hook }: Pick<At, 'hook'>, machine: Machine): readonly string[] {
  const family = familyOf(packet.destination);
  if (hook === 'output') return [family === 'IPv4' ? '127.0.0.1' : '::1'];
  const own = machine.addresses.filter((address) => familyOf(address) === family);
  return own.length > mostAddresses ? [] : own;
}

/** As those of kube-ipvs0: more say nothing. */
const mostAddresses = 256;

/** @param rule one that redirects, as printed, where the machine has several addresses */
export function whichRedirectAddress(rule: string): string {
  return `to which of the machine's addresses ${rule} sends the packet: it is the first of the interface by which it came, and each is said to get the same share`;
}

/** Loopback's addresses are every machine's own. */
export function isOwnAddress({ addresses }: Pick<Machine, 'addresses'>, address: string): boolean {
  return (
    address.startsWith('127.') || (address.includes(':') && loopback.has(address)) || addressSet(addresses).has(address)
  );
}

/** At what priority a chain has its turn. */
function positionOf({ isNat, hook, priority }: HookedChain): number {
  return isNat ? natPriority(hook) : priority;
}

/**
 * What nat does with answers of the connections that it has rewritten (nf_nat_core.c nf_nat_packet): their destination is
 * turned back at PREROUTING and OUTPUT, before they are routed, and their source at POSTROUTING and INPUT.
 */
function turningBack(packet: Packet): HookedChain[] {
  const connection = packet.answers?.connection;
  if (connection === undefined) return [];
  const { original, isMasqueraded } = connection;
  const turn = (hook: Hook, priority: number, turned: (branch: Branch) => Branch): HookedChain => ({
    hook,
    priority,
    isNat: false,
    isDropPolicy: false,
    run: (branches) => ({
      through: branches.map((branch) => (trackedAs(packet, branch) === 'answer' ? turned(branch) : branch)),
      ended: [],
    }),
  });
  const back = (hook: Hook): HookedChain =>
    turn(hook, priorities.destinationNat, (branch) => ({
      ...branch,
      turned: { ...branch.turned, destination: endOf(original.source, original.sourcePort) },
    }));
  const forth = (hook: Hook): HookedChain =>
    turn(hook, priorities.sourceNat, (branch) => ({
      ...branch,
      turned: { ...branch.turned, source: endOf(original.destination, original.destinationPort) },
    }));
  return [...(isMasqueraded ? [back('prerouting'), back('output')] : []), forth('input'), forth('postrouting')];
}

function endOf(address: string, port: number | undefined): PacketEnd {
  return port === undefined ? { address } : { address, port };
}

function finalLeaf(branch: Branch, packet: Packet): Leaf {
  if (branch.dnat !== undefined) return leafOf(branch, packet, 'DNAT', branch.dnat.by.chain);
  return branch.accepted === undefined
    ? leafOf(branch, packet, 'NONE')
    : leafOf(branch, packet, 'ACCEPT', branch.accepted);
}

function leafOf(branch: Branch, packet: Packet, verdict: Leaf['verdict'], decidedBy?: string): Leaf {
  const goesOn = verdict !== 'DROP' && verdict !== 'REJECT' && verdict !== 'UNKNOWN';
  const connection = goesOn ? connectionOf(branch, packet) : undefined;
  return {
    probability: branch.probability,
    ...(branch.dnat?.scheduled === undefined ? {} : { scheduled: branch.dnat.scheduled }),
    verdict,
    ...(branch.dnat === undefined || verdict !== 'DNAT' ? {} : { dnat: branch.dnat }),
    masquerade: goesOn && branch.masqueradedBy !== undefined,
    ...(goesOn && branch.masqueradedBy !== undefined ? { masqueradedBy: branch.masqueradedBy } : {}),
    ...(decidedBy === undefined ? {} : { decidedBy }),
    ...(branch.assumed === undefined ? {} : { assumed: branch.assumed }),
    ...(connection === undefined ? {} : { connection }),
    ...(branch.turned === undefined ? {} : { turned: branch.turned }),
    path: pathOf(branch.met),
  };
}

/** What conntrack keeps of the connection, of which this was the first packet. */
function connectionOf(branch: Branch, packet: Packet): Connection | undefined {
  if (trackedAs(packet, branch) !== 'new') return undefined;
  const { source, sourcePort, destination, destinationPort } = packet;
  return {
    original: { source, ...(sourcePort === undefined ? {} : { sourcePort }), destination, destinationPort },
    zone: branch.zone ?? defaultZone,
    mark: branch.connectionMark ?? 0,
    ...(branch.isConnectionMarkUnknown === true ? { isMarkUnknown: true } : {}),
    isMasqueraded: branch.masqueradedBy !== undefined,
  };
}
