/** Traces by `namespace/name`. */

export interface TraceName {
  readonly namespace: string;
  readonly name: string;
}

export function keyOf({
  metadata,
}: {
  readonly metadata: { readonly namespace?: string; readonly name?: string };
}): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
}

export function traceOf(key: string): TraceName {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}
