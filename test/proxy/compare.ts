/** Compares the evaluator's result of a case with the kernel's. */
import { isSameAddress, hostPort } from '../../core/net/address.ts';
import { familyOf } from '../../core/net/family.ts';
import type { Answer, Question } from './ask.ts';
import type { Case } from './cases.ts';
import type { Expectation } from './expectation.ts';
import { connectionsPerTarget, implausible, type Frequency } from './frequencies.ts';
import type { Place } from './place.ts';

/** With affinity all connections go where the first one went, so more of them say nothing more. */
const connectionsWithAffinity = 20;

/** How a case is tried: what is answered needs many connections, and what is dropped costs a time-out each. */
export function questionOf(
  { protocol, client, destination, port, random }: Case,
  id: string,
  expected: Expectation,
): Question {
  const asked = {
    id,
    protocol: protocol === 'TCP' ? ('tcp' as const) : protocol === 'UDP' ? ('udp' as const) : ('sctp' as const),
    ...(client.name.startsWith('outside') ? { from: client.source } : {}),
    to: hostPort(destination, port),
    maxFailures: 2,
  };
  switch (expected.verdict) {
    case 'DNAT': {
      const count =
        random.affinity === 'ClientIP' ? connectionsWithAffinity : connectionsPerTarget * expected.targets.length;
      return { ...asked, count, timeoutMillis: 5000 };
    }
    // Over IPv6, the kernel reports a refused TCP connection only at its second packet, after a second.
    case 'REJECT':
      return { ...asked, count: 2, timeoutMillis: 4000 };
    case 'DROP':
    case 'ACCEPT':
    case 'NONE':
    case 'UNKNOWN':
      return { ...asked, count: 2, timeoutMillis: 600 };
  }
}

/** Says in one sentence where the observed is not the expected; undefined where they agree. */
export function difference(
  subject: Case,
  expected: Expectation,
  answer: Answer,
  places: readonly Place[],
): string | undefined {
  if (expected.unknown.length > 0 || expected.verdict === 'UNKNOWN')
    return `the evaluator does not know ${expected.unknown.join(', ')}`;
  const { witnesses, failures } = answer;
  const observed = observedText(answer);
  const onlyFailures = (kind: string): boolean =>
    witnesses.length === 0 && failures.length > 0 && failures.every((failure) => failure.kind === kind);
  switch (expected.verdict) {
    case 'REJECT':
      return onlyFailures('refused') ? undefined : `REJECT is expected, and observed is: ${observed}`;
    case 'DROP':
      return onlyFailures('timeout') ? undefined : `DROP is expected, and observed is: ${observed}`;
    case 'NONE':
    case 'ACCEPT':
      // Nobody has the address, or the node has it and nobody listens there: any failure will do.
      return witnesses.length === 0 && failures.length > 0
        ? undefined
        : `${expected.verdict} is expected, and observed is: ${observed}`;
    case 'DNAT':
      return differenceOfTargets(subject, expected, answer, places);
  }
}

function differenceOfTargets(
  { random, destination }: Case,
  expected: Expectation,
  answer: Answer,
  places: readonly Place[],
): string | undefined {
  const observed = observedText(answer);
  if (answer.failures.length > 0) return `DNAT is expected, and observed is: ${observed}`;
  const whole = expected.targets.reduce((sum, { probability }) => sum + probability, 0);
  if (Math.abs(whole - 1) > 1e-6) return `the probabilities of the targets sum to ${String(whole)}`;
  const family = familyOf(destination);
  const named = expected.targets.map((target) => {
    const place = places.find(({ addresses }) => isSameAddress(addresses[family], target.address));
    return { ...target, name: `${place?.name ?? target.address}:${String(target.port)}` };
  });
  const wrongWitness = answer.witnesses.find(({ name }) => !named.some((target) => target.name === name));
  if (wrongWitness !== undefined)
    return `${wrongWitness.name} answered, which is none of ${named.map(({ name }) => name).join(', ')}`;
  for (const { name, masquerade } of named) {
    const seen = isMasqueraded(answer, name);
    if (seen !== undefined && seen !== masquerade)
      return `masquerade towards ${name} is ${String(masquerade)} expected, and ${String(seen)} observed: ${observed}`;
  }
  if (random.affinity === 'ClientIP') {
    const chosen = new Set(answer.witnesses.map(({ name }) => name));
    return chosen.size === 1 ? undefined : `with affinity one target is expected, and observed is: ${observed}`;
  }
  const unlikely = implausible(
    frequenciesOf(expected, answer, places, family).map((frequency, index) => ({
      ...frequency,
      name: named[index]?.name ?? '',
    })),
  );
  return (
    unlikely && `${unlikely.name} has probability ${unlikely.probability.toFixed(4)}, and observed is: ${observed}`
  );
}

/** How often each target was chosen, in the order of the targets. */
export function frequenciesOf(
  expected: Expectation,
  { witnesses }: Answer,
  places: readonly Place[],
  family: 'IPv4' | 'IPv6',
): Frequency[] {
  return expected.targets.map(({ address, port, probability }) => {
    const place = places.find(({ addresses }) => isSameAddress(addresses[family], address));
    const name = `${place?.name ?? address}:${String(port)}`;
    return {
      probability,
      count: witnesses.filter((witness) => witness.name === name).reduce((sum, { count }) => sum + count, 0),
    };
  });
}

/** So few connections say nothing of masquerading where it keeps the client's address. */
const enoughPorts = 10;

/**
 * Whether a witness saw masqueraded packets: from another address than the client's, or, where the node itself is the
 * client and its address stays, from other ports (--random-fully). A single port says nothing: the kernel changes it too
 * where two connections would get the same reply tuple.
 */
function isMasqueraded({ witnesses }: Answer, name: string): boolean | undefined {
  const seen = witnesses.filter((witness) => witness.name === name);
  if (seen.some(({ source, ownSource }) => !isSameAddress(source, ownSource))) return true;
  const count = seen.reduce((sum, each) => sum + each.count, 0);
  if (count < enoughPorts) return undefined;
  return seen.reduce((sum, each) => sum + each.samePort, 0) < count / 2;
}

function observedText({ witnesses, failures }: Answer): string {
  return [
    ...witnesses.map(
      ({ name, source, count, samePort }) =>
        `${name} answered ${String(count)} times, to ${source} (${String(samePort)} with the client's port)`,
    ),
    ...failures.map(({ kind, count }) => `${String(count)} times ${kind}`),
  ].join(', ');
}
