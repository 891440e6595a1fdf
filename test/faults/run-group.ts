/** Makes the faults of one group at the same time, looks what is found, and takes them away again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FindingStatus } from '../../core/api/service-trace.ts';
import type { Fault, FaultGroup, FaultResult, FindingAt, Undo } from './fault.ts';
import { eventually } from '../support/eventually.ts';
import type { Place } from './place.ts';
import { findingsAt } from './place.ts';

/** Rules, endpoints and answers of DNS take this long at most to be as they were. */
const recoverySeconds = 60;

/** Averages since a kube-proxy started, which no fault changes within its time: see ofFault. */
export const factsOfTheMachine: ReadonlySet<string> = new Set(['KP-SYNC-SLOW', 'LAT-SLOW']);

/** What is found of each Service of the faults before any of them is made, by the Service's name. */
export type Before = ReadonlyMap<string, readonly FindingStatus[]>;

/** Of all groups at once, for after each of them its Services are looked at again. */
export async function lookBefore(place: Place, groups: readonly FaultGroup[]): Promise<Before> {
  return collectAll(
    place,
    groups.flatMap(({ faults }) => faults),
  );
}

/**
 * The results of all faults of the group, in their order.
 * @throws {AggregateError} where a fault could not be made or taken away; all others are taken away all the same
 */
export async function runGroup(place: Place, group: FaultGroup, before: Before): Promise<FaultResult[]> {
  const undos: Undo[] = [];
  const errors: unknown[] = [];
  let during = new Map<string, readonly FindingStatus[]>();
  try {
    const made = await Promise.allSettled(group.faults.map(async (fault) => fault.inject(place)));
    for (const [index, result] of made.entries()) {
      if (result.status === 'fulfilled') undos.push(result.value);
      else errors.push(new Error(`${group.faults[index]?.name ?? ''} could not be made`, { cause: result.reason }));
    }
    if (errors.length === 0) {
      await sleep(group.graceSeconds * 1000);
      during = await collectAll(place, group.faults);
    }
  } finally {
    for (const result of await Promise.allSettled(undos.map(async (undo) => undo()))) {
      if (result.status === 'rejected') errors.push(result.reason);
    }
    await place.restartKubeProxies().catch((error: unknown) => errors.push(error));
  }
  if (errors.length > 0) throw new AggregateError(errors, `group ${group.name}: ${errors.map(textOf).join('; ')}`);
  const after = await untilHealthy(place, group.faults);
  return group.faults.map((fault) => {
    const findings = ofFault(fault, during.get(fault.service) ?? []);
    return {
      group: group.name,
      fault,
      found: findingsAt(findings),
      foundHealthy: [
        ...new Set(
          [before, after].flatMap((collected) =>
            beyondHealthy(fault, ofFault(fault, collected.get(fault.service) ?? [])),
          ),
        ),
      ].sort(),
      messages: findings.map(
        ({ id, message, evidence }) => `${id}: ${message}${evidence.length === 0 ? '' : ` [${evidence.join(' | ')}]`}`,
      ),
    };
  });
}

/** Each Service once, whatever the number of its faults. */
async function collectAll(place: Place, faults: readonly Fault[]): Promise<Map<string, readonly FindingStatus[]>> {
  return place.findings(
    [...new Set(faults.map(({ service }) => service))],
    new Map(faults.map((fault) => [fault.service, fault])),
  );
}

/**
 * Of faults that share a Service, each has the findings of its own node. How fast kube-proxy writes is a fact of the machine
 * that the cluster runs on: where that is busy the findings are true, and no fault of the suite makes them.
 */
function ofFault(fault: Fault, findings: readonly FindingStatus[]): FindingStatus[] {
  return findings.filter(
    ({ id, node }) =>
      !factsOfTheMachine.has(id) && (fault.node === undefined || node === undefined || node === fault.node),
  );
}

function beyondHealthy(fault: Fault, findings: readonly FindingStatus[]): FindingAt[] {
  return findingsAt(findings).filter((finding) => fault.healthy?.includes(finding) !== true);
}

/** The last collection that was made: a healthy one, unless the cluster does not recover in time. */
async function untilHealthy(place: Place, faults: readonly Fault[]): Promise<Map<string, readonly FindingStatus[]>> {
  const collected = new Map<string, readonly FindingStatus[]>();
  let left = [...faults];
  try {
    await eventually(async () => {
      const now = await collectAll(place, left);
      for (const [service, findings] of now) collected.set(service, findings);
      left = left.filter((fault) => beyondHealthy(fault, ofFault(fault, now.get(fault.service) ?? [])).length > 0);
      if (left.length > 0) throw new Error(`not healthy yet: ${left.map(({ name }) => name).join(', ')}`);
    }, recoverySeconds);
  } catch {
    // The findings that are still there are in the result.
  }
  return collected;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${textOf(error.cause)}`;
}
