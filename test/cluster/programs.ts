import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { withLock } from './lock.ts';
import { cacheDirectory, shortHash } from './paths.ts';

/** A Go module in programs/ and how its programs are compiled. */
interface ProgramModule {
  readonly name: string;
  /** Import paths; `.` is the module's own folder. */
  readonly packages: readonly string[];
  readonly tags?: string;
  readonly linkerFlags?: readonly string[];
  /** Other names for the module's one program, which acts by the name it is called by. */
  readonly links?: readonly string[];
}

const kubernetesVersion = /k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\S+)/.exec(
  readFileSync(join(import.meta.dirname, 'programs/kubernetes/go.mod'), 'utf8'),
);
const containerdVersion = /github\.com\/containerd\/containerd\/v2 (v\S+)/.exec(
  readFileSync(join(import.meta.dirname, 'programs/containerd/go.mod'), 'utf8'),
);

/** Without a version kubectl does not know what the server can do. */
function kubernetesLinkerFlags(): string[] {
  const [, version, major, minor] = kubernetesVersion ?? [];
  if (version === undefined || major === undefined || minor === undefined) {
    throw new Error('programs/kubernetes/go.mod names no version of k8s.io/kubernetes.');
  }
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  return ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) =>
    Object.entries(values).map(([variable, value]) => `-X ${path}.${variable}=${value}`),
  );
}

const modules: readonly ProgramModule[] = [
  { name: 'testpod', packages: ['.'] },
  { name: 'hosttool', packages: ['.'] },
  { name: 'etcd', packages: ['go.etcd.io/etcd/server/v3'] },
  {
    name: 'containerd',
    packages: ['containerd', 'containerd-shim-runc-v2', 'ctr'].map(
      (name) => `github.com/containerd/containerd/v2/cmd/${name}`,
    ),
    tags: 'no_btrfs no_devmapper no_zfs',
    linkerFlags: [`-X github.com/containerd/containerd/v2/version.Version=${containerdVersion?.[1] ?? 'unknown'}`],
  },
  { name: 'coredns', packages: ['.'] },
  {
    name: 'kubernetes',
    packages: ['.'],
    linkerFlags: kubernetesLinkerFlags(),
    links: ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl'],
  },
];

/** Not part of the cluster: Prometheus' own checks of alert rules and of metrics, as promtool runs them. */
const promcheckModule: ProgramModule = { name: 'promcheck', packages: ['.'] };
/** Nor this: the library by which GitOps tools see whether an object is reconciled. */
const kstatusModule: ProgramModule = { name: 'kstatuscheck', packages: ['.'] };

/** Programs that are there after the build, by name, with their full paths. */
export interface Programs {
  readonly testpod: string;
  readonly hosttool: string;
  readonly etcd: string;
  readonly containerd: string;
  readonly shim: string;
  readonly ctr: string;
  readonly coredns: string;
  /** The one program that is every component of Kubernetes, by the name it is called by. */
  readonly kubernetes: string;
  /** A directory with a link for each component of Kubernetes, kubectl among them. */
  readonly kubernetesDirectory: string;
}

/** What is being compiled, for people who wait. */
export interface BuildProgress {
  readonly program: string;
  readonly number: number;
  readonly of: number;
  readonly seconds: number;
  /** Packages compiled so far, and how many there are at most (those in Go's own cache are not compiled again). */
  readonly compiled: number;
  readonly packages: number;
}

export interface BuildOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
}

/** A build that was not used for so long may go when a newer one of the same module is made. */
const unusedForMilliseconds = 14 * 24 * 3600 * 1000;

const buildEnvironment = { CGO_ENABLED: '0' };

function sourceDirectory(module: ProgramModule): string {
  return join(import.meta.dirname, 'programs', module.name);
}

/** Names what the module's programs are made of: sources, pinned dependencies, compiler, flags. */
function buildKey(module: ProgramModule, goVersion: string): string {
  const directory = sourceDirectory(module);
  const sources = readdirSync(directory)
    .filter((file) => file.endsWith('.go') || file === 'go.mod' || file === 'go.sum')
    .sort();
  return shortHash([
    goVersion,
    JSON.stringify(module),
    ...sources.flatMap((file) => [file, readFileSync(join(directory, file), 'utf8')]),
  ]);
}

/** Removes builds of the module that nothing has used for a while. */
function removeUnused(module: ProgramModule, kept: string): void {
  const parent = join(cacheDirectory(), 'programs');
  for (const entry of readdirSync(parent)) {
    const path = join(parent, entry);
    if (!entry.startsWith(`${module.name}-`) || path === kept) continue;
    if (Date.now() - statSync(path).mtimeMs > unusedForMilliseconds) rmSync(path, { recursive: true, force: true });
  }
}

async function countPackages(module: ProgramModule, signal: AbortSignal | undefined): Promise<number> {
  const tags = module.tags === undefined ? [] : ['-tags', module.tags];
  const { stdout } = await execa('go', ['list', '-deps', ...tags, ...module.packages], {
    cwd: sourceDirectory(module),
    env: buildEnvironment,
    ...(signal && { cancelSignal: signal }),
  });
  return stdout.split('\n').length;
}

/** Compiles the module into the directory, which appears whole or not at all. */
async function compile(
  module: ProgramModule,
  directory: string,
  position: { number: number; of: number },
  { signal, onProgress }: BuildOptions,
): Promise<void> {
  const partial = `${directory}.part`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const started = Date.now();
  let compiled = 0;
  let packages = 0;
  const report = (): void => {
    onProgress?.({
      program: module.name,
      ...position,
      seconds: Math.round((Date.now() - started) / 1000),
      compiled,
      packages,
    });
  };
  report();
  const ticking = setInterval(report, 1000);
  const output: string[] = [];
  try {
    packages = await countPackages(module, signal);
    const flags = [
      '-trimpath',
      '-buildvcs=false',
      '-v',
      '-ldflags',
      ['-s -w', ...(module.linkerFlags ?? [])].join(' '),
    ];
    if (module.tags !== undefined) flags.push('-tags', module.tags);
    const single = module.packages.length === 1;
    const building = execa(
      'go',
      ['build', ...flags, '-o', single ? join(partial, module.name) : `${partial}/`, ...module.packages],
      {
        cwd: sourceDirectory(module),
        env: buildEnvironment,
        stdout: 'ignore',
        reject: false,
        ...(signal && { cancelSignal: signal }),
      },
    );
    for await (const line of createInterface({ input: building.stderr })) {
      // With -v there is a line with the import path of each package when its compilation starts.
      if (/^\S+$/.test(line)) compiled += 1;
      else output.push(line);
    }
    const { failed } = await building;
    signal?.throwIfAborted();
    if (failed)
      throw new Error(`Compiling ${module.name} failed: ${output.slice(-20).join('\n') || 'go said nothing'}`);
    for (const link of module.links ?? []) symlinkSync(module.name, join(partial, link));
    renameSync(partial, directory);
    removeUnused(module, directory);
  } finally {
    clearInterval(ticking);
    rmSync(partial, { recursive: true, force: true });
  }
}

/**
 * Compiles what the cluster runs, or finds it in the cache, where each module has a directory named
 * for all that went into it. Any number of processes may call this at once.
 * @returns the full paths of the programs
 * @throws {Error} with the compiler's last lines when a module does not compile
 */
export async function buildPrograms(options: BuildOptions = {}): Promise<Programs> {
  const directoryOf = await buildModules(modules, options);
  const program = (module: string, name = module): string => join(directoryOf(module), name);
  return {
    testpod: program('testpod'),
    hosttool: program('hosttool'),
    etcd: program('etcd'),
    containerd: program('containerd'),
    shim: program('containerd', 'containerd-shim-runc-v2'),
    ctr: program('containerd', 'ctr'),
    coredns: program('coredns'),
    kubernetes: program('kubernetes'),
    kubernetesDirectory: directoryOf('kubernetes'),
  };
}

/** @returns the full path of promcheck (programs/promcheck/main.go). @throws {Error} as `buildPrograms` */
export async function buildPromcheck(options: BuildOptions = {}): Promise<string> {
  return buildOne(promcheckModule, options);
}

/** @returns the full path of kstatuscheck (programs/kstatuscheck/main.go). @throws {Error} as `buildPrograms` */
export async function buildKstatuscheck(options: BuildOptions = {}): Promise<string> {
  return buildOne(kstatusModule, options);
}

async function buildOne(module: ProgramModule, options: BuildOptions): Promise<string> {
  const directoryOf = await buildModules([module], options);
  return join(directoryOf(module.name), module.name);
}

/** @returns where the programs of each module are */
async function buildModules(
  modules: readonly ProgramModule[],
  options: BuildOptions,
): Promise<(name: string) => string> {
  const { stdout: goVersion } = await execa('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], { cwd: import.meta.dirname });
  const directories = new Map<string, string>();
  for (const module of modules) {
    directories.set(module.name, join(cacheDirectory(), 'programs', `${module.name}-${buildKey(module, goVersion)}`));
  }
  const directoryOf = (name: string): string => {
    const directory = directories.get(name);
    if (directory === undefined) throw new Error(`No module is named ${name}.`);
    return directory;
  };
  const missing = modules.filter((module) => !existsSync(directoryOf(module.name)));
  for (const [index, module] of missing.entries()) {
    const directory = directoryOf(module.name);
    // One after the other: each compilation keeps all processors busy by itself.
    await withLock(
      `program-${module.name}`,
      async () => {
        if (!existsSync(directory))
          await compile(module, directory, { number: index + 1, of: missing.length }, options);
      },
      { signal: options.signal },
    );
  }
  const now = new Date();
  for (const directory of directories.values()) utimesSync(directory, now, now);
  return directoryOf;
}
