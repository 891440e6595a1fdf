/** Objects of a manifest, of whichever kind: applied, looked for, removed. */
import * as z from 'zod';
import { statusError, type Api } from './api.ts';
import { fieldManager, isThere, namespacePath, segment } from './objects.ts';

/** An object of a manifest, as it is written there. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}

const resourcesSchema = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});

/** Finds the path of a manifest's object. @throws ApiError with code 404 where the API server has no such kind */
export type ObjectPaths = (manifest: Manifest) => Promise<string>;

/** Paths as the API server's discovery has them, each group version asked for once. */
export function discoveredPaths(api: Api): ObjectPaths {
  const discovered = new Map<string, Promise<z.infer<typeof resourcesSchema>>>();
  return async ({ apiVersion, kind, metadata }) => {
    const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const known =
      discovered.get(base) ?? api.request({ method: 'GET', path: base }).then((body) => resourcesSchema.parse(body));
    discovered.set(base, known);
    const resource = (await known).resources.find(
      (candidate) => candidate.kind === kind && !candidate.name.includes('/'),
    );
    if (resource === undefined)
      throw statusError({ reason: 'NotFound', message: `the API server has no ${kind} in ${apiVersion}` }, 404);
    const place = resource.namespaced ? namespacePath(metadata.namespace ?? 'default') : '';
    return `${base}${place}/${resource.name}/${segment(metadata.name)}`;
  };
}

export async function applyManifest(api: Api, pathOf: ObjectPaths, manifest: Manifest): Promise<void> {
  const path = await pathOf(manifest);
  await api.request({
    method: 'PATCH',
    path,
    query: { fieldManager, force: true },
    contentType: 'application/apply-patch+yaml',
    body: manifest,
  });
}

export async function hasManifest(api: Api, pathOf: ObjectPaths, manifest: Manifest): Promise<boolean> {
  return isThere(pathOf(manifest).then((path) => api.request({ method: 'GET', path })));
}

export async function removeManifest(api: Api, pathOf: ObjectPaths, manifest: Manifest): Promise<boolean> {
  return isThere(
    pathOf(manifest).then((path) => api.request({ method: 'DELETE', path, body: { propagationPolicy: 'Background' } })),
  );
}
