/** What walks through maps of eBPF share: a frontend takes the packet, and what is met of the maps is the packet's path. */
import { hostPort } from '../net/address.ts';
import type { Action } from './action.ts';
import { settle } from './settle.ts';
import type { Scheduled } from './share.ts';
import type { Leaf, Packet, Step, WalkResult } from './walk.ts';

/** Client: a pod of the node, or the node itself. Outside: a packet that comes to a device of the node. */
export type Origin = 'client' | 'outside';

/** One of the backends that a frontend may choose. */
export interface ChosenBackend {
  readonly address: string;
  readonly port: number;
}

/** The walk of one packet of one origin. What it returns is undefined where no frontend takes the packet. */
export abstract class MapWalk {
  protected readonly packet: Packet;
  /** The map of frontends, by its name. */
  readonly #table: string;
  #steps: Step[] = [];
  readonly #unknown = new Set<string>();

  constructor(packet: Packet, table: string) {
    this.packet = packet;
    this.#table = table;
  }

  /** Undefined where it is not known, and a packet of either kind may come to the frontend. */
  protected abstract origin(): Origin | undefined;
  protected abstract walk(origin: Origin): WalkResult | undefined;
  /** The map that has the addresses of the node's endpoints, and how its interfaces for pods begin. */
  protected abstract readonly originFrom: { readonly map: string; readonly podInterface: string };

  run(): WalkResult | undefined {
    const origin = this.origin();
    if (origin !== undefined) return this.#from(origin);
    const asClient = this.#from('client');
    const fromOutside = this.#from('outside');
    if (outcomeText(asClient) === outcomeText(fromOutside)) return asClient;
    const { map, podInterface } = this.originFrom;
    return this.unknown(
      `whether ${this.packet.source} is a pod of this node, or sends from outside, which is treated differently: give the map ${map} too, or --in-interface (${podInterface}… for a pod, else the node's device)`,
    );
  }

  #from(origin: Origin): WalkResult | undefined {
    this.#steps = [];
    this.#unknown.clear();
    return this.walk(origin);
  }

  /** Where the interface says it. */
  protected originByInterface(): Origin | undefined {
    const { inInterface } = this.packet;
    if (inInterface === undefined) return undefined;
    return inInterface.startsWith(this.originFrom.podInterface) ? 'client' : 'outside';
  }

  /** `TCP 10.96.0.10:80`. */
  protected get place(): string {
    const { destination, destinationPort, protocol } = this.packet;
    return `${protocol} ${hostPort(destination, destinationPort)}`;
  }

  /** Nothing is known of the packet, for no entry. */
  protected unknown(why: string): WalkResult {
    this.note(why);
    return this.#end(why, { kind: 'unknown', why: 'not in the maps' }, 'UNKNOWN');
  }

  /** @param rule the entry that takes the packet, in words */
  protected unknownAt(rule: string, why: string): WalkResult {
    this.note(`${rule}: ${why}`);
    return this.#end(rule, { kind: 'unknown', why }, 'UNKNOWN');
  }

  /** @param word DROP and why */
  protected drop(rule: string, word: string): WalkResult {
    return this.#end(rule, { kind: 'drop', word }, 'DROP');
  }

  protected refuse(rule: string, reason: string): WalkResult {
    return this.#end(rule, { kind: 'refuse', reason }, 'REJECT');
  }

  /** What is not known, and nothing definite is said of. */
  protected note(why: string): void {
    this.#unknown.add(why);
  }

  /** @param table where it is not the map of frontends */
  protected meet(rule: string, actions: readonly Action[], table = this.#table): Step {
    const step: Step = {
      table,
      chain: this.place,
      rule,
      actions,
      ...(actions.some(({ kind }) => kind === 'unknown') ? { isUnknown: true } : {}),
    };
    this.#steps.push(step);
    return step;
  }

  /** The share of a choice in which an entry is missing. */
  protected missing(table: string, rule: string, probability: number): Leaf {
    return this.leaf(
      'REJECT',
      probability,
      this.meet(rule, [{ kind: 'refuse', reason: 'nothing is there to send it to' }], table),
    );
  }

  /**
   * The share of a choice in which the packet is sent to a backend.
   * @param scheduled what decides, where the shares are not known
   * @param masquerade undefined where it is not known, which is noted
   */
  protected sent(
    backend: ChosenBackend,
    { table, rule, probability }: { readonly table: string; readonly rule: string; readonly probability: number },
    scheduled: Scheduled | undefined,
    masquerade: boolean | undefined,
  ): Leaf {
    const { address } = backend;
    const port = backend.port === 0 ? this.packet.destinationPort : backend.port;
    const chosenBy = scheduled === undefined ? {} : { chosenBy: scheduled.by };
    const step = this.meet(
      rule,
      [{ kind: 'dnat', destinations: [{ address, port, share: probability, ...chosenBy }] }],
      table,
    );
    if (masquerade === undefined) return this.leaf('UNKNOWN', probability, step);
    return {
      ...this.leaf('DNAT', probability, step),
      dnat: { address, port, by: step, ...(scheduled === undefined ? {} : { scheduled }) },
      masquerade,
      ...(masquerade ? { masqueradedBy: step } : {}),
      ...(scheduled === undefined ? {} : { scheduled }),
    };
  }

  protected leaf(verdict: Leaf['verdict'], probability: number, step?: Step): Leaf {
    const [first] = this.#steps;
    const path = [...(first === undefined ? [] : [first]), ...(step === undefined || step === first ? [] : [step])];
    return { probability, verdict, masquerade: false, decidedBy: this.place, path };
  }

  protected result(leaves: readonly Leaf[]): WalkResult {
    // Each step is kept, those of a leaf that is not known among them: they are what is known of it.
    const last = leaves.at(-1);
    const kept = last === undefined ? leaves : [...leaves.slice(0, -1), { ...last, path: [...this.#steps] }];
    const steps = [...this.#steps];
    return { leaves: kept, steps, outline: steps, unknown: [...this.#unknown], assumed: [] };
  }

  #end(rule: string, action: Action, verdict: Leaf['verdict']): WalkResult {
    this.meet(rule, [action]);
    return this.result([this.leaf(verdict, 1)]);
  }
}

/** What packets of both origins must have in common. */
function outcomeText(result: WalkResult | undefined): string {
  const leaves = result === undefined ? [] : settle(result).leaves;
  return JSON.stringify(
    leaves.map(({ verdict, probability, dnat, masquerade, scheduled }) => [
      verdict,
      probability,
      dnat?.address,
      dnat?.port,
      masquerade,
      scheduled?.by,
    ]),
  );
}
