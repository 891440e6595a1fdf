/** Parses a ServiceTrace that came from the API, or from a file, by the schema of its CRD. */
import { Ajv, type ValidateFunction } from 'ajv';
import { serviceTraceSchema, type ServiceTrace } from './service-trace.ts';

/** Thrown where an object is not a ServiceTrace: one sentence with the field and what is wrong with it. */
export class InvalidServiceTraceError extends Error {
  override readonly name = 'InvalidServiceTraceError';
}

let validate: ValidateFunction<ServiceTrace> | undefined;

/**
 * The object as a ServiceTrace. Fields that the schema does not know are left in place: a newer operator may write
 * more than an older plugin reads.
 * @throws InvalidServiceTraceError
 */
export function parseServiceTrace(value: unknown): ServiceTrace {
  // Compiled at first use: the plugin's help and completion need no schema.
  validate ??= new Ajv({ strict: false, validateFormats: false }).compile<ServiceTrace>(serviceTraceSchema);
  if (validate(value)) return isNotCollectedYet(value) ? withoutStatus(value) : value;
  const problem = validate.errors?.[0];
  const field = (problem?.instancePath ?? '').slice(1).replaceAll('/', '.');
  const extra = problem?.keyword === 'enum' ? `: ${JSON.stringify(problem.params['allowedValues'])}` : '';
  throw new InvalidServiceTraceError(
    `${field === '' ? 'the object' : field} ${problem?.message ?? 'is not valid'}${extra}, so this is not a ServiceTrace of svctrace.io/v1alpha1`,
  );
}

/**
 * The object as a ServiceTrace, without its status where this version cannot read that: another version wrote it, and it
 * is written again.
 * @throws InvalidServiceTraceError where the rest is not a ServiceTrace
 */
export function parseServiceTraceToWrite(value: unknown): {
  readonly trace: ServiceTrace;
  readonly statusProblem?: string;
} {
  try {
    return { trace: parseServiceTrace(value) };
  } catch (error) {
    if (
      !(error instanceof InvalidServiceTraceError) ||
      typeof value !== 'object' ||
      value === null ||
      !('status' in value)
    )
      throw error;
    return { trace: parseServiceTrace(withoutStatus(value)), statusProblem: error.message };
  }
}

/** Whether its status is the default that the API server puts where nobody has written one (the CRD's status.default). */
function isNotCollectedYet({ status }: ServiceTrace): boolean {
  return (
    status?.collectedAt === undefined &&
    status?.conditions?.length === 1 &&
    status.conditions[0]?.reason === 'NotCollectedYet'
  );
}

function withoutStatus<Value extends { readonly status?: unknown }>({
  status: _status,
  ...rest
}: Value): Omit<Value, 'status'> {
  return rest;
}
