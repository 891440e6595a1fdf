/** kube-proxy of older Kubernetes releases, compiled from their Go modules: what clusters in the field run. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import * as z from 'zod';
import { withLock } from '../cluster/lock.ts';
import { cacheDirectory, shortHash } from '../cluster/paths.ts';

/** One release of Kubernetes whose rules are recorded. */
export interface KubeProxyRelease {
  /** Such as `v1.29.15`. */
  readonly version: string;
  /** Before 1.31 the nftables mode is alpha and has to be switched on. */
  readonly featureGates: Readonly<Record<string, boolean>>;
  /** Staging modules that the module proxy lacks in the release's own version, and the patch to take them from: they hold API types. */
  readonly staging?: Readonly<Record<string, string>>;
}

const alphaNftables = { NFTablesProxyMode: true };

/** The last patch of each minor release from 1.29, the first with an nftables mode, to the one before the test cluster's. */
const olderReleases: readonly KubeProxyRelease[] = [
  { version: 'v1.29.15', featureGates: alphaNftables },
  { version: 'v1.30.14', featureGates: alphaNftables },
  { version: 'v1.31.14', featureGates: {}, staging: { 'k8s.io/kube-proxy': 'v0.31.11' } },
  { version: 'v1.32.13', featureGates: {} },
  { version: 'v1.33.13', featureGates: {} },
  { version: 'v1.34.4', featureGates: {} },
  { version: 'v1.35.4', featureGates: {} },
  { version: 'v1.36.3', featureGates: {} },
];

/** The release that the test cluster itself is built of. */
export const currentRelease: KubeProxyRelease = { version: 'v1.37.2', featureGates: {} };

/** All of them, the oldest first. */
export const releases: readonly KubeProxyRelease[] = [...olderReleases, currentRelease];

/** What the light cluster is started with to run this release's kube-proxy; compiles it where the cache has it not. */
export async function kubeProxyOf(
  release: KubeProxyRelease,
): Promise<{ readonly kubeProxy?: string; readonly featureGates: KubeProxyRelease['featureGates'] }> {
  return {
    featureGates: release.featureGates,
    ...(release.version === currentRelease.version ? {} : { kubeProxy: await buildKubeProxy(release) }),
  };
}

const mainProgram = `package main

import (
	"os"

	"k8s.io/component-base/cli"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
)

func main() { os.Exit(cli.Run(proxy.NewProxyCommand())) }
`;

const downloadSchema = z.object({ GoMod: z.string() });

/**
 * Compiles one release's kube-proxy, or finds it in the cache.
 * @returns the program's full path
 * @throws {Error} with the compiler's words where it does not compile
 */
async function buildKubeProxy({ version, staging }: KubeProxyRelease): Promise<string> {
  const { stdout: goVersion } = await execa('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], { cwd: '/' });
  const directory = join(cacheDirectory(), 'programs', `kube-proxy-${version}-${shortHash([goVersion, mainProgram])}`);
  const program = join(directory, 'kube-proxy');
  await withLock(`program-kube-proxy-${version}`, async () => {
    if (existsSync(program)) return;
    const partial = `${directory}.part`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    try {
      await compile(version, staging ?? {}, partial);
      renameSync(partial, directory);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  });
  return program;
}

async function compile(version: string, staging: Readonly<Record<string, string>>, directory: string): Promise<void> {
  const go = async (args: readonly string[]): Promise<string> =>
    (await execa('go', args, { cwd: directory, env: { CGO_ENABLED: '0' } })).stdout;
  writeFileSync(join(directory, 'main.go'), mainProgram);
  writeFileSync(join(directory, 'go.mod'), 'module svctrace.io/test/proxy/kube-proxy\n');
  const { GoMod } = downloadSchema.parse(
    JSON.parse(await go(['mod', 'download', '-json', `k8s.io/kubernetes@${version}`])),
  );
  writeFileSync(join(directory, 'go.mod'), moduleFile(version, staging, readFileSync(GoMod, 'utf8')));
  const flags = [
    '-trimpath',
    '-buildvcs=false',
    '-mod=mod',
    '-ldflags',
    `-s -w -X k8s.io/component-base/version.gitVersion=${version}`,
  ];
  await go(['build', ...flags, '-o', 'kube-proxy', '.']);
}

/**
 * A module that uses one release of Kubernetes: its own go.mod takes the staging modules (k8s.io/api and the like) from
 * folders beside it, which a module that is downloaded does not have, so each is named in its published version.
 */
function moduleFile(version: string, patches: Readonly<Record<string, string>>, kubernetesModule: string): string {
  const [, minor, patch] = version.split('.');
  const go = /^go (\S+)$/m.exec(kubernetesModule)?.[1] ?? '1.21';
  const staging = [...kubernetesModule.matchAll(/^\s*(?:replace )?(k8s\.io\/\S+) => \.\/staging\/\S+$/gm)].map(
    ([, name = '']) => name,
  );
  // From 1.36 on the staging modules are in a workspace instead, and required at v0.0.0.
  const required = [...kubernetesModule.matchAll(/^\s*(k8s\.io\/\S+) v0\.0\.0$/gm)].map(([, name = '']) => name);
  const published = `v0.${minor ?? ''}.${patch ?? ''}`;
  return [
    'module svctrace.io/test/proxy/kube-proxy',
    `go ${go}`,
    `require (\n\tk8s.io/component-base ${published}\n\tk8s.io/kubernetes ${version}\n)`,
    ...[...new Set([...staging, ...required])].map(
      (name) => `replace ${name} => ${name} ${patches[name] ?? published}`,
    ),
    '',
  ].join('\n\n');
}
