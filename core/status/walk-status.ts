/** What a status says of packets that were asked for. */
import { effectText } from '../evaluate/action.ts';
import type { WalkStatus } from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import { entryOf } from '../evaluate/walk-hooks.ts';
import { familyOf } from '../net/family.ts';
import type { NodeFacts } from '../program/node-facts.ts';
import { type Walk, walkPacket } from '../program/walk-packet.ts';
import { recordsOf } from '../wire/node-report.ts';
import type { StatusInput } from './input.ts';

export function walksOf(input: StatusInput, desired: DesiredService, nodes: readonly NodeFacts[]): WalkStatus[] {
  const walks: WalkStatus[] = [];
  for (const from of input.walkFrom ?? []) {
    const read = nodes.find(({ node }) => node === from.node)?.read;
    if (read === undefined) continue;
    for (const frontend of read.program.frontends) {
      if (frontend.frontend !== 'ClusterIP' || frontend.family !== familyOf(from.address)) continue;
      const walk: Walk = walkPacket(
        read.report,
        desired,
        {
          source: from.address,
          destination: frontend.address,
          destinationPort: frontend.port,
          protocol: frontend.protocol,
          entersAt: entryOf(recordsOf(read.report, 'start')[0]?.addresses ?? [], from.address),
        },
        input.cluster,
      );
      walks.push({
        node: from.node,
        source: from.address,
        destination: frontend.address,
        destinationPort: frontend.port,
        protocol: frontend.protocol,
        verdict: walk.verdict,
        masquerade: walk.masquerade,
        destinations: walk.destinations.map(({ masquerade: _masquerade, ...destination }) => destination),
        path: walk.path.map((step) => ({
          table: step.table,
          chain: step.chain,
          rule: step.rule,
          effect: effectText(step),
        })),
        unknown: [...walk.unknown],
      });
    }
  }
  return walks;
}
