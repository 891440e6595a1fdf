/** What an error of the API client says, as far as this project decides by it. */
import { ApiException } from '@kubernetes/client-node';
import * as z from 'zod';

const statusSchema = z.object({ message: z.string().optional(), reason: z.string().optional() });

/** The HTTP status of an answer; undefined where there was no answer. */
export function statusCodeOf(error: unknown): number | undefined {
  return error instanceof ApiException ? error.code : undefined;
}

/** The message of the API server's Status object where there is one, else of the error itself. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiException) {
    const body: unknown = error.body;
    let value: unknown = body;
    if (typeof body === 'string') {
      try {
        value = JSON.parse(body);
      } catch {
        return body.slice(0, 300);
      }
    }
    const status = statusSchema.safeParse(value);
    if (status.success && status.data.message !== undefined) return status.data.message;
    return `the API server answered ${String(error.code)}`;
  }
  if (error instanceof Error)
    return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
  return String(error);
}

/** Undefined where it is not there. @throws what else the reading throws */
export async function unlessAbsent<Value>(read: Promise<Value>): Promise<Value | undefined> {
  return unlessStatus(404, read);
}

/** Undefined where it may not be read. @throws what else the reading throws */
export async function unlessForbidden<Value>(read: Promise<Value>): Promise<Value | undefined> {
  return unlessStatus(403, read);
}

async function unlessStatus<Value>(code: number, read: Promise<Value>): Promise<Value | undefined> {
  try {
    return await read;
  } catch (error) {
    if (statusCodeOf(error) === code) return undefined;
    throw error;
  }
}
