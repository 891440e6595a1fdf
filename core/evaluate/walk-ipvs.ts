/** IPVS at its hooks: a virtual server takes the packet, and sends it to one of its real servers. */
import { hostPort } from '../net/address.ts';
import { ipvsChainName, ipvsTable } from '../api/chain-name.ts';
import type { RealServer, VirtualServer } from '../ipvs/virtual-server.ts';
import type { Action } from './action.ts';
import { endUnknown } from './assume.ts';
import { isOfMark, scheduleIpvs } from './schedule-ipvs.ts';
import type { Scheduled } from './share.ts';
import type { Branch, ChainOutcome, Ended, Packet, Step, Trail } from './walk.ts';

/**
 * What IPVS does with branches that reach one of its hooks: those that a virtual server takes end here, with a real
 * server as their DNAT target or refused; the others go on.
 */
export function walkIpvs(
  virtualServers: readonly VirtualServer[],
  packet: Packet,
  trail: Trail,
  branches: readonly Branch[],
): ChainOutcome {
  const through: Branch[] = [];
  const ended: Ended[] = [];
  for (const branch of branches) {
    const destination = branch.dnat?.address ?? packet.destination;
    const isMarkUnknown = branch.isMarkUnknown === true;
    const byMark = isMarkUnknown ? virtualServers.find((server) => isOfMark(server, destination)) : undefined;
    if (byMark !== undefined) {
      for (const server of virtualServers)
        if (isOfMark(server, destination))
          trail.unknown.add(
            `${virtualServerText(server)}: whether the packet has its mark${trail.followsUnknown ? '' : ' (taken as not)'}`,
          );
      if (trail.followsUnknown) {
        // Whether it is this server's, another's or nobody's packet depends on the mark.
        ended.push(
          ...endUnknown([branch], unknownStep(trail, byMark, 'whether the packet has its mark'), ipvsChainName(byMark))
            .ended,
        );
        continue;
      }
    }
    const outcome = scheduleIpvs(virtualServers, {
      destination,
      destinationPort: branch.dnat?.port ?? packet.destinationPort,
      protocol: packet.protocol,
      mark: isMarkUnknown ? 0 : branch.mark,
    });
    if (outcome.kind === 'passed') {
      through.push(branch);
      continue;
    }
    const { virtualServer } = outcome;
    const text = virtualServerText(virtualServer);
    const chain = ipvsChainName(virtualServer);
    const step = (action: Action): Step => ({ table: ipvsTable, chain, rule: text, actions: [action] });
    if (outcome.kind === 'refused') {
      const [refused = branch] = trail.meet(virtualServer, step({ kind: 'refuse', reason: outcome.reason }), [branch]);
      ended.push({ ...refused, verdict: 'REJECT', chain });
      continue;
    }
    const { candidates, reason, mayRefuse, chosenBy } = outcome;
    if (chosenBy === 'Unknown')
      trail.unknown.add(`${text}: ${reason ?? 'how it chooses'}; the shares of its real servers are not known`);
    if (mayRefuse) {
      const why = `${text}: some clients may be refused`;
      trail.unknown.add(why);
      if (trail.followsUnknown) {
        ended.push(...endUnknown([branch], unknownStep(trail, virtualServer, reason ?? why), chain).ended);
        continue;
      }
    }
    const [taken = branch] = trail.meet(virtualServer, step({ kind: 'schedule', scheduler: virtualServer.scheduler }), [
      branch,
    ]);
    for (const { realServer, address, port, probability = 1 / candidates.length } of candidates) {
      const scheduled: Scheduled | undefined =
        chosenBy === undefined
          ? undefined
          : { by: chosenBy, server: virtualServer, realServer, choices: candidates.length + (mayRefuse ? 1 : 0) };
      const by: Step = {
        table: ipvsTable,
        chain,
        rule: realServerText(realServer),
        actions: [
          {
            kind: 'dnat',
            destinations: [{ address, port, share: probability, ...(chosenBy === undefined ? {} : { chosenBy }) }],
          },
        ],
        ...(realServer.stats === undefined
          ? {}
          : { counters: { packets: realServer.stats.connections, bytes: realServer.stats.inBytes } }),
      };
      const [sent = taken] = trail.meet(realServer, by, [taken]);
      ended.push({
        ...sent,
        probability: branch.probability * probability,
        verdict: 'DNAT',
        chain,
        dnat: {
          address,
          port,
          by,
          ...(by.counters === undefined ? {} : { counters: by.counters }),
          ...(scheduled === undefined ? {} : { scheduled }),
        },
      });
    }
  }
  return { through, ended };
}

function unknownStep(trail: Trail, server: VirtualServer, why: string): Step {
  return trail.unknownStep(server, {
    table: ipvsTable,
    chain: ipvsChainName(server),
    rule: virtualServerText(server),
    actions: [{ kind: 'unknown', why }],
  });
}

/** `TCP 10.96.0.7:80 rr persistent 10800`. */
export function virtualServerText(server: VirtualServer): string {
  const { scheduler, schedulerFlags, persistence, isOnePacket } = server;
  return [
    ipvsChainName(server),
    scheduler,
    ...(schedulerFlags.length === 0 ? [] : [`(${schedulerFlags.join(',')})`]),
    ...(persistence === undefined ? [] : [`persistent ${String(persistence)}`]),
    ...(isOnePacket ? ['ops'] : []),
  ].join(' ');
}

/** `-> 10.244.1.2:8080 Masq 1`. */
export function realServerText({ address, port, forward, weight }: RealServer): string {
  return `-> ${hostPort(address, port)} ${forward} ${String(weight)}`;
}
