/** The conntrack entries of the Service on one node, each with the endpoints that it may point to. */
import { knownTargets, servingTargets, type DesiredTarget } from '../../api/desired-targets.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { RecordOf } from '../../wire/node-report.ts';
import type { FrontendProgram } from '../../program/program.ts';
import type { DesiredService } from '../../api/service.ts';
import { shellOn, type Action, type Command } from '../../api/command.ts';
import { oncePer, oncePerAll } from '../../lib/once-per.ts';

export interface ServiceFlow {
  readonly group: RecordOf<'conntrack'>['groups'][number];
  readonly frontend: FrontendProgram;
  /** The endpoints of the frontend's port that serve, whatever the traffic policy. */
  readonly serving: readonly DesiredTarget[];
  /** It points to one of them. */
  readonly isServing: boolean;
  /** It points to an address that stands in the EndpointSlices, serving or not. */
  readonly isKnown: boolean;
  /** No rule changed its destination. */
  readonly isUnnatted: boolean;
}

/** Entries of frontends that the Service still has; read once for all findings that ask for them. */
export const serviceFlows = oncePerAll(({ read }: NodeFacts, desired: DesiredService): readonly ServiceFlow[] => {
  if (read?.conntrack === undefined) return [];
  const targets = new Map<
    FrontendProgram,
    {
      readonly serving: readonly DesiredTarget[];
      readonly isServing: ReadonlySet<string>;
      readonly isKnown: ReadonlySet<string>;
    }
  >();
  return read.conntrack.groups.flatMap((group): ServiceFlow[] => {
    const frontend = read.program.frontends.find(
      ({ protocol, family, port, address }) =>
        protocol === group.protocol.toUpperCase() &&
        family === group.family &&
        port === group.destinationPort &&
        (address === group.destination || address === ''),
    );
    if (frontend === undefined) return [];
    let own = targets.get(frontend);
    if (own === undefined) {
      const serving = servingTargets(desired, frontend);
      own = {
        serving,
        isServing: placesOf(serving),
        isKnown: placesOf(knownTargets(desired, frontend)),
      };
      targets.set(frontend, own);
    }
    const answering = placeOf({ address: group.replySource, port: group.replySourcePort });
    return [
      {
        group,
        frontend,
        serving: own.serving,
        isServing: own.isServing.has(answering),
        isKnown: own.isKnown.has(answering),
        isUnnatted: group.replySource === group.destination && group.replySourcePort === group.destinationPort,
      },
    ];
  });
});

/** All nodes and frontends of a port have the same targets. */
const placesOf = oncePer((targets: readonly DesiredTarget[]): ReadonlySet<string> => new Set(targets.map(placeOf)));

function placeOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${String(port)}`;
}

/** As conntrack would write it, with how many there are. */
export function flowText({ group }: ServiceFlow): string {
  const state = group.state === undefined ? '' : ` ${group.state}`;
  return `${group.protocol}${state} dst=${group.destination} dport=${String(group.destinationPort)} reply src=${group.replySource} sport=${String(group.replySourcePort)}${group.unreplied ? ' [UNREPLIED]' : ''} x ${String(group.entries)}`;
}

/** Deletes the entries of a flow. */
export function flowDeletion(node: string, { group }: ServiceFlow): Command {
  return shellOn(
    node,
    'conntrack',
    '-D',
    '-p',
    group.protocol,
    '--orig-dst',
    group.destination,
    '--orig-port-dst',
    String(group.destinationPort),
    '--reply-src',
    group.replySource,
  );
}

export function deleteFlow(node: string, flow: ServiceFlow): Action {
  return {
    advice: `Delete the entries on ${node}: the next packet of each client makes a new one.`,
    commands: [flowDeletion(node, flow)],
  };
}
