/**
 * A Service's random choice among its endpoints, worked out once for all packets that its rules treat alike: each
 * packet's branches then refer to it, and an endpoint costs a packet next to nothing.
 */
import type { AddressClasses } from './address-classes.ts';
import type { Met, Packet, Rewritten, Step } from './walk.ts';
import { oncePer } from '../lib/once-per.ts';

/** One endpoint, as the choice gives it to a packet. */
export interface ChosenEndpoint {
  /** Of one packet that comes to the choice. */
  readonly probability: number;
  readonly dnat: Rewritten;
  /** Undefined where the packet keeps its own. */
  readonly mark: number | undefined;
  /** The rules that it met within the choice. */
  readonly met: Met | undefined;
}

/** Endpoints of a choice that no later rule distinguishes, in their order. */
export interface AlikeEndpoints {
  readonly first: ChosenEndpoint;
  readonly members: readonly ChosenEndpoint[];
  /** Of each member among all endpoints of the choice. */
  readonly places: readonly number[];
  readonly probability: number;
}

export class EndpointChoice {
  readonly endpoints: readonly ChosenEndpoint[];
  /** The rules that a packet meets in the choice, each with its step, in order. */
  readonly steps: ReadonlyMap<object, Step>;
  /** The same steps, in the same order. */
  readonly allSteps: readonly Step[];
  readonly #addresses: ReadonlySet<string>;
  readonly #ports: ReadonlySet<number>;
  readonly #alike = oncePer((_apart: AddressClasses) => new Map<string, readonly AlikeEndpoints[]>());

  constructor(endpoints: readonly ChosenEndpoint[], steps: ReadonlyMap<object, Step>) {
    this.endpoints = endpoints;
    this.steps = steps;
    this.allSteps = [...steps.values()];
    this.#addresses = new Set(endpoints.map(({ dnat }) => dnat.address));
    this.#ports = new Set(endpoints.map(({ dnat }) => dnat.port));
  }

  /** @param classOf of the packet: the same for destinations that no later rule distinguishes */
  alike(
    classes: AddressClasses,
    { source, destination, destinationPort }: Packet,
    classOf: (address: string, port: number) => string,
  ): readonly AlikeEndpoints[] {
    if (classes.pairs(source)) return this.#group(classOf);
    const known = this.#alike(classes);
    // Beside its own end, what of the packet decides is whether the destination was rewritten at all.
    const key = `${this.#addresses.has(destination) ? destination : ''} ${this.#ports.has(destinationPort) ? String(destinationPort) : ''}`;
    const alike = known.get(key) ?? this.#group(classOf);
    known.set(key, alike);
    return alike;
  }

  #group(classOf: (address: string, port: number) => string): readonly AlikeEndpoints[] {
    const groups = new Map<string, { readonly members: ChosenEndpoint[]; readonly places: number[] }>();
    // Nearly all endpoints are of the same class as the one before.
    let last: { readonly of: string; readonly mark: number | undefined } | undefined;
    let group: { readonly members: ChosenEndpoint[]; readonly places: number[] } = { members: [], places: [] };
    this.endpoints.forEach((endpoint, place) => {
      const { dnat, mark } = endpoint;
      const of = classOf(dnat.address, dnat.port);
      if (last?.of !== of || last.mark !== mark) {
        last = { of, mark };
        const key = `${of} ${String(mark)}`;
        group = groups.get(key) ?? { members: [], places: [] };
        groups.set(key, group);
      }
      group.members.push(endpoint);
      group.places.push(place);
    });
    return [...groups.values()].flatMap(({ members, places }) => {
      const [first] = members;
      return first === undefined
        ? []
        : [{ first, members, places, probability: members.reduce((sum, { probability }) => sum + probability, 0) }];
    });
  }
}
