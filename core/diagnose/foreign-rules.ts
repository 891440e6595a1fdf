/** What rules of other programs do with a Service's packets that kube-proxy's own rules would send to an endpoint. */
import { hostPort, prefixContains } from '../address.ts';
import type { ClusterFacts } from '../cluster-facts.ts';
import type { Leaf, Packet, Step } from '../evaluate/walk.ts';
import { isOwnAddress } from '../evaluate/walk-hooks.ts';
import type { NodeFacts } from '../node-facts.ts';
import { recordsOf } from '../node-report.ts';
import type { FrontendProgram } from '../program.ts';
import { readAllHooks, type AllHooks } from '../report-rules.ts';
import type { DesiredService, Family } from '../service.ts';

export interface ForeignFault {
  /** Whose packets: "clients outside". */
  readonly client: string;
  readonly frontend: FrontendProgram;
  /** stops: dropped or rejected. diverts: sent elsewhere. hides: kept from kube-proxy's rules. */
  readonly kind: 'stops' | 'diverts' | 'hides';
  /** The rule as its tool prints it, behind its table. */
  readonly rule: string;
  /** A program, or "another program". */
  readonly owner: string;
  /** What is not known and decides whether it is so; empty where it surely is. */
  readonly unless: readonly string[];
  /** Where a DNAT sends packets. */
  readonly to?: string;
}

/** What is asked of one frontend: packets that kube-proxy's own rules send to an endpoint are walked through everything. */
export interface AskedPacket {
  readonly client: string;
  readonly packet: Packet;
}

/** Undefined where a node's report holds no rules of other programs. */
export function foreignHooks(facts: NodeFacts, { namespace, name }: DesiredService, family: Family, cluster: ClusterFacts | undefined): AllHooks | undefined {
  return facts.read === undefined ? undefined : readAllHooks(facts.read.report, `${namespace}/${name}`, family, bridgesBeside(facts, cluster));
}

/** Bridges with addresses of which none is of the node's podCIDR or its own in the cluster (docker0, virbr0): pods and other nodes are not there. */
function bridgesBeside({ node, read }: NodeFacts, cluster: ClusterFacts | undefined): ReadonlySet<string> {
  const own = cluster?.nodes?.find(({ name }) => name === node);
  if (own === undefined || own.podCIDRs.length === 0) return new Set();
  const isCluster = (address: string): boolean => own.internalIPs.includes(address) || own.podCIDRs.some((prefix) => prefixContains(prefix, address) === true);
  const bridges = (read?.interfaces?.interfaces ?? []).filter(({ bridge, addresses }) => bridge === true && addresses.length > 0 && !addresses.some(isCluster));
  return new Set(bridges.map(({ name }) => name));
}

/** @returns with what could not be followed on the way */
export function foreignFaults(hooks: AllHooks, facts: NodeFacts, frontend: FrontendProgram, asked: readonly AskedPacket[]): { readonly faults: readonly ForeignFault[]; readonly unfollowed: readonly string[] } {
  const addresses = facts.read === undefined ? [] : (recordsOf(facts.read.report, 'start')[0]?.addresses ?? []);
  const unfollowed = new Set<string>();
  const found = asked.flatMap(({ client, packet }) => {
    const own = hooks.walkOwn(packet).leaves;
    if (!own.some(({ verdict }) => verdict === 'DNAT')) return [];
    // NodeLocal DNSCache has the cluster IP itself, and keeps its packets from kube-proxy's rules on purpose.
    const isServedHere = frontend.frontend === 'ClusterIP' && isOwnAddress({ addresses, ipSets: new Map() }, packet.destination);
    const { leaves, unknown } = hooks.walk(packet);
    for (const text of unknown) unfollowed.add(text);
    const faults = leaves.flatMap((leaf) => {
      const fault = faultOf(leaf, own, isServedHere);
      return fault === undefined ? [] : [{ leaf, fault }];
    });
    const isSure = faults.some(({ leaf: { assumed } }) => assumed === undefined) && unknown.length === 0;
    const isAll = faults.length === leaves.length && unknown.length === 0;
    return faults
      // What is surely so needs no second rule that may be so as well.
      .filter(({ leaf }) => isAll || !isSure || leaf.assumed === undefined)
      .map(({ leaf, fault }): ForeignFault => {
        const order = fault.kind !== 'stops' && hooks.isBeside(fault.step?.table ?? '') ? [`whether table ${fault.step?.table ?? ''} comes before kube-proxy's rules, for both hang at the same priority`] : [];
        const assumed = isAll ? [] : (leaf.assumed ?? []).map(({ rule, holds }) => `whether it ${holds ? 'meets' : 'does not meet'} ${rule}`);
        return {
          client,
          frontend,
          kind: fault.kind,
          rule: fault.step === undefined ? `${leaf.decidedBy ?? ''} is DROP, and no rule accepts the packets before` : `${fault.step.table}: ${fault.step.rule}`,
          owner: ownerOf(leaf, fault.step),
          unless: [...assumed, ...order, ...unknown],
          ...(fault.to === undefined ? {} : { to: fault.to }),
        };
      });
  });
  return { faults: found, unfollowed: [...unfollowed] };
}

function faultOf(leaf: Leaf, own: readonly Leaf[], isServedHere: boolean): { readonly kind: ForeignFault['kind']; readonly step: Step | undefined; readonly to?: string } | undefined {
  const { verdict, decidedBy = '', path, dnat } = leaf;
  if (verdict === 'DROP' || verdict === 'REJECT') {
    if (decidedBy.startsWith('KUBE-') || own.some((each) => each.verdict === verdict && each.decidedBy === decidedBy)) return undefined;
    return { kind: 'stops', step: decidedBy.startsWith('policy of ') ? undefined : path.at(-1) };
  }
  if (isServedHere) return undefined;
  if (dnat !== undefined) return isKubeStep(dnat.by) ? undefined : { kind: 'diverts', step: dnat.by, to: hostPort(dnat.address, dnat.port) };
  if (own.some((each) => each.verdict === 'NONE' || each.verdict === 'ACCEPT')) return undefined;
  const step = path.findLast((each) => !isKubeStep(each) && /^(?:ACCEPT|RETURN|accept|return)\b|NOTRACK|notrack|^CT\b/.test(each.effect));
  return step === undefined ? undefined : { kind: 'hides', step };
}

function isKubeStep({ table, chain }: Step): boolean {
  return table === 'kube-proxy' || chain.startsWith('KUBE-');
}

/** Programs by the beginning of their chains' names. */
const owners: readonly (readonly [RegExp, string])[] = [
  [/^DOCKER/, 'Docker'], [/^cali-/, 'Calico'], [/^CILIUM_/, 'Cilium'], [/^ISTIO_/, 'Istio'], [/^ufw6?-/, 'ufw'], [/^(?:FWD[IO]?|IN|PRE|POST)_|^(?:INPUT|FORWARD|OUTPUT)_(?:direct|ZONES|POLICIES)|^firewalld$/, 'firewalld'], [/^FLANNEL-/, 'flannel'], [/^f2b-/, 'fail2ban'], [/^CNI-/, 'a CNI plugin'], [/^LIBVIRT_|^libvirt_/, 'libvirt'], [/^WEAVE-/, 'Weave'],
];

function ownerOf({ decidedBy = '', path }: Leaf, step: Step | undefined): string {
  const names = [step?.table ?? '', step?.chain ?? '', decidedBy, ...path.flatMap(({ table, chain }) => [table, chain])];
  return owners.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1] ?? 'another program';
}
