/** Paths of the API's objects, as whom they are written, and whether they are there. */
import { ApiError } from './api-error.ts';

export const fieldManager = 'kubectl-svctrace';

/** A name as a segment of a path. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}

/** `/namespaces/shop`; empty where no namespace is given. */
export function namespacePath(namespace: string | undefined): string {
  return namespace === undefined ? '' : `/namespaces/${segment(namespace)}`;
}

/** False where the answer is 404. */
export async function isThere(answer: Promise<unknown>): Promise<boolean> {
  return (await orAbsent(answer)) !== undefined;
}

/** Undefined where the answer is 404. */
export async function orAbsent(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return undefined;
    throw error;
  }
}
