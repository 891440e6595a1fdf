/** A rule in plain words. */
import type { IpSet } from '../ipset/set.ts';
import type { NftElement } from '../nftables/rule.ts';
import type { NftSet } from '../nftables/table.ts';

export interface Explained {
  /** `TCP connections to 10.96.0.1 port 80 go to chain KUBE-SVC-X, which chooses an endpoint of default/auth-service.` */
  readonly sentence: string;
  /** What belongs to the rule and has a line of its own: elements of a map, the choices of a random number. */
  readonly lines: readonly ExplainedLine[];
  /** Parts, as printed, that are not explained. The sentence names them as not known. */
  readonly unknown: readonly string[];
}

export interface ExplainedLine {
  /** As its tool prints it. */
  readonly text: string;
  readonly sentence: string;
  /** Share of what the rule sends on; absent where the line is not a choice. */
  readonly share?: number;
}

/** What is known of the names that a rule has in it. */
export interface Names {
  /** A relative clause, `which marks them for masquerading`; undefined for a chain of somebody else. */
  chain(name: string): string | undefined;
  /** The pod at the address. */
  pod(address: string): string | undefined;
  /** A set or map of nftables, as far as it was read. */
  set(name: string): NftSet | undefined;
  ipSet(name: string): IpSet | undefined;
}

/** Where a rule stands. */
export interface Standing {
  readonly noun: 'connections' | 'packets';
  readonly isFirst: boolean;
  /** Elements of the rule's own map that get no line. */
  readonly leftOut?: ReadonlySet<NftElement>;
}

/** `chain KUBE-SVC-X, which chooses an endpoint of default/auth-service`. */
export function chainText(name: string, names: Names): string {
  const purpose = names.chain(name);
  return purpose === undefined ? `chain ${name}` : `chain ${name}, ${purpose}`;
}

/** `10.244.1.4:8080 (pod auth-service-x2x)`. */
export function withPod(target: string, address: string, names: Pick<Names, 'pod'>): string {
  const pod = names.pod(address);
  return pod === undefined ? target : `${target} (pod ${pod})`;
}

export function notKnown(text: string): string {
  return `not known: ${text}`;
}
