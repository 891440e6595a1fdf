import { createHash, randomUUID } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { basename, join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { pack, type Pack } from 'tar-stream';
import { cacheDirectory, shortHash } from './paths.ts';

/** One file of an image, from a file of this machine or from text. */
export interface ImageFile {
  /** Absolute path in the image. */
  readonly path: string;
  /** File of this machine to copy; either this or `content`. */
  readonly from?: string;
  readonly content?: string | Buffer;
  /** Permissions; those of the file copied, or 0o644. */
  readonly mode?: number;
}

/** A symbolic link of an image. */
export interface ImageLink {
  /** Absolute path in the image. */
  readonly path: string;
  readonly target: string;
}

/** Files and links to put into an image. */
export interface ImageContent {
  readonly files: readonly ImageFile[];
  readonly symlinks: readonly ImageLink[];
}

/** What an image is made of. */
export interface ImageSpec {
  /** Such as `svctrace/testpod:test`, as a pod's spec names it. */
  readonly name: string;
  readonly files: readonly ImageFile[];
  readonly symlinks?: readonly ImageLink[];
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  /** `NAME=VALUE` each. */
  readonly env?: readonly string[];
  /** Such as `65532:65532`; numbers, so that kubelet can check runAsNonRoot. */
  readonly user?: string;
  readonly workingDirectory?: string;
}

/** A file this large has a layer of its own, so that it is stored and loaded once whatever changes beside it. */
const ownLayerFrom = 4 * 1024 * 1024;

/** Debian keeps programs and libraries below /usr, and reaches them by these links as well. */
const mergedUsrLinks: readonly ImageLink[] = ['bin', 'sbin', 'lib', 'lib64'].map((name) => ({
  path: `/${name}`,
  target: `usr/${name}`,
}));

/** The same path with the links of the merged /usr followed. */
function inMergedUsr(path: string): string {
  return /^\/(bin|sbin|lib|lib64)\//.test(path) ? `/usr${path}` : path;
}

/**
 * Collects a program of this machine with every shared library that it loads at its start.
 * @param program absolute path; a link stays a link, to a file that is collected too
 */
export async function collectExecutable(program: string): Promise<ImageContent> {
  const target = realpathSync(program);
  const files: ImageFile[] = [{ path: inMergedUsr(target), from: target }];
  const symlinks: ImageLink[] = [...mergedUsrLinks];
  if (inMergedUsr(program) !== inMergedUsr(target))
    symlinks.push({ path: inMergedUsr(program), target: inMergedUsr(target) });
  const { stdout, exitCode } = await execa('ldd', [target], { reject: false });
  if (exitCode === 0) {
    // `name => /path (address)`, or `/path (address)` for the loader itself.
    for (const match of stdout.matchAll(/(?:=>\s+|^\s+)(\/\S+)\s+\(0x/gm)) {
      const library = match[1];
      if (library !== undefined) files.push({ path: inMergedUsr(library), from: realpathSync(library) });
    }
  }
  return { files, symlinks };
}

/**
 * Collects a directory of this machine with all below it, at the same path.
 * @param directory absolute path
 */
export function collectDirectory(directory: string): ImageContent {
  const files: ImageFile[] = [];
  const symlinks: ImageLink[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isSymbolicLink()) symlinks.push({ path: inMergedUsr(path), target: readlinkSync(path) });
    else if (entry.isDirectory()) {
      const below = collectDirectory(path);
      files.push(...below.files);
      symlinks.push(...below.symlinks);
    } else if (entry.isFile()) files.push({ path: inMergedUsr(path), from: path });
  }
  return { files, symlinks };
}

/** Several collections as one; what comes at the same path twice is kept once. */
export function mergeContent(...contents: readonly ImageContent[]): ImageContent {
  const files = new Map(contents.flatMap(({ files }) => files.map((file) => [file.path, file])));
  const symlinks = new Map(contents.flatMap(({ symlinks }) => symlinks.map((link) => [link.path, link])));
  return { files: [...files.values()], symlinks: [...symlinks.values()] };
}

interface Layer {
  /** Path of the layer's tar in the cache. */
  readonly path: string;
  /** SHA-256 of the tar, hexadecimal. */
  readonly digest: string;
}

interface ResolvedFile {
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly from?: string;
  readonly content?: Buffer;
}

function resolveFile(file: ImageFile): ResolvedFile {
  if (!posix.isAbsolute(file.path)) throw new Error(`The path "${file.path}" of an image's file is not absolute.`);
  if (file.from === undefined) {
    if (file.content === undefined) throw new Error(`The image's file ${file.path} has neither "from" nor "content".`);
    const content = Buffer.from(file.content);
    return { path: file.path, mode: file.mode ?? 0o644, size: content.length, content };
  }
  const { mode, size } = statSync(file.from);
  return { path: file.path, mode: file.mode ?? mode & 0o777, size, from: file.from };
}

async function contentDigest(file: ResolvedFile): Promise<string> {
  const hash = createHash('sha256');
  if (file.content) hash.update(file.content);
  else if (file.from !== undefined) for await (const chunk of createReadStream(file.from)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

// Everything that could differ from run to run is fixed, so equal content gives equal layers.
const fixed = { mtime: new Date(0), uid: 0, gid: 0 } as const;

/** Adds an entry and waits until it is written, so that no file is in memory as a whole. */
async function addFile(tar: Pack, file: ResolvedFile): Promise<void> {
  const header = { ...fixed, name: file.path.slice(1), mode: file.mode, size: file.size };
  if (file.from === undefined) tar.entry(header, file.content ?? Buffer.alloc(0));
  else await pipeline(createReadStream(file.from), tar.entry(header));
}

/** All directories above some paths, the upper ones first. */
function parents(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    for (let directory = posix.dirname(path); directory !== '/'; directory = posix.dirname(directory))
      found.add(directory);
  }
  return [...found].sort();
}

/** Makes a layer, or finds it in the cache, where it is named for its content. */
async function buildLayer(files: readonly ResolvedFile[], symlinks: readonly ImageLink[]): Promise<Layer> {
  const parts = ['layer 1'];
  for (const file of files) parts.push(file.path, String(file.mode), await contentDigest(file));
  for (const link of symlinks) parts.push(link.path, link.target);
  const directory = join(cacheDirectory(), 'layers');
  const key = shortHash(parts);
  const cached = existsSync(directory) ? readdirSync(directory).find((file) => file.startsWith(`${key}-`)) : undefined;
  if (cached !== undefined)
    return { path: join(directory, cached), digest: cached.slice(key.length + 1, -'.tar'.length) };

  mkdirSync(directory, { recursive: true });
  const partial = join(directory, `.${key}-${randomUUID()}.part`);
  const tar = pack();
  const hash = createHash('sha256');
  const written = pipeline(
    tar,
    async function* (chunks: AsyncIterable<unknown>) {
      for await (const chunk of chunks) {
        if (!Buffer.isBuffer(chunk)) throw new TypeError('The packer gave something other than bytes.');
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(partial),
  );
  const linked = new Set(symlinks.map((link) => link.path));
  for (const parent of parents([...files, ...symlinks].map(({ path }) => path))) {
    // A directory entry in the place of a link would hide the target of the link.
    if (!linked.has(parent))
      tar.entry({ ...fixed, name: `${parent.slice(1)}/`, type: 'directory', mode: parent === '/tmp' ? 0o1777 : 0o755 });
  }
  for (const link of symlinks)
    tar.entry({ ...fixed, name: link.path.slice(1), type: 'symlink', linkname: link.target });
  for (const file of files) await addFile(tar, file);
  tar.finalize();
  await written;
  const digest = hash.digest('hex');
  const path = join(directory, `${key}-${digest}.tar`);
  renameSync(partial, path);
  return { path, digest };
}

/** Removes files of the cache that start so and were not used for so many milliseconds. */
function removeUnused(directory: string, prefix: string, unusedFor: number): void {
  for (const file of readdirSync(directory)) {
    const path = join(directory, file);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (file.startsWith(prefix) && age > unusedFor) rmSync(path, { force: true });
  }
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Builds an image as a tar that `docker load` and `ctr images import` read. The same content gives
 * the same tar, and large files are layers of their own that are made and stored once.
 * @returns path of the tar, in the cache
 */
export async function buildImage(spec: ImageSpec): Promise<string> {
  const content = mergeContent({ files: spec.files, symlinks: spec.symlinks ?? [] });
  const files = content.files.map(resolveFile).sort((a, b) => (a.path < b.path ? -1 : 1));
  const symlinks = [...content.symlinks].sort((a, b) => (a.path < b.path ? -1 : 1));
  const layers: Layer[] = [];
  for (const file of files) if (file.size >= ownLayerFrom) layers.push(await buildLayer([file], []));
  const small = files.filter((file) => file.size < ownLayerFrom);
  if (small.length + symlinks.length > 0) layers.push(await buildLayer(small, symlinks));

  const config = JSON.stringify({
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    config: {
      Entrypoint: spec.entrypoint,
      ...(spec.command && { Cmd: spec.command }),
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(spec.env ?? [])],
      ...(spec.user !== undefined && { User: spec.user }),
      ...(spec.workingDirectory !== undefined && { WorkingDir: spec.workingDirectory }),
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
    history: layers.map(() => ({ created: fixed.mtime.toISOString() })),
  });
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  const manifest = JSON.stringify([
    { Config: configName, RepoTags: [spec.name], Layers: layers.map(({ digest }) => `${digest}/layer.tar`) },
  ]);

  const directory = join(cacheDirectory(), 'images');
  mkdirSync(directory, { recursive: true });
  const prefix = spec.name.replaceAll(/[^a-z0-9]+/g, '-');
  const path = join(directory, `${prefix}-${shortHash([config, manifest])}.tar`);
  const now = new Date();
  for (const { path: used } of layers) utimesSync(used, now, now);
  if (existsSync(path)) return path;
  removeUnused(directory, prefix, 3600 * 1000);
  removeUnused(join(cacheDirectory(), 'layers'), '', 14 * 24 * 3600 * 1000);
  const partial = `${path}.${randomUUID()}.part`;
  try {
    const tar = pack();
    const written = pipeline(tar, createWriteStream(partial));
    for (const { path: layer, digest } of layers) {
      await addFile(tar, { path: `/${digest}/layer.tar`, mode: 0o644, size: statSync(layer).size, from: layer });
    }
    tar.entry({ ...fixed, name: configName, mode: 0o644 }, config);
    tar.entry({ ...fixed, name: 'manifest.json', mode: 0o644 }, manifest);
    tar.finalize();
    await written;
    renameSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
  return path;
}

/** Loads an image into a node's containerd; where its content is there already, little is copied. */
export async function importImage(ctr: string, containerdSocket: string, tar: string): Promise<void> {
  await execa(ctr, ['--address', containerdSocket, '--namespace', 'k8s.io', 'images', 'import', '--local', tar]);
}

/** Name of the image that pods of tests run: the program testpod and nothing else. */
export const testpodImage = 'svctrace/testpod:test';

/** Name of the image of the cluster's DNS server. */
const corednsImage = 'svctrace/coredns:test';

/** Builds the image of the program testpod, which is also every pod's sandbox. */
export async function buildTestpodImage(testpod: string): Promise<string> {
  return buildImage({
    name: testpodImage,
    files: [{ path: '/testpod', from: testpod, mode: 0o755 }],
    entrypoint: ['/testpod'],
    command: ['sleep'],
    env: ['PATH=/'],
    user: '65532:65532',
  });
}

/** Builds the image of CoreDNS. */
export async function buildCorednsImage(coredns: string): Promise<string> {
  return buildImage({
    name: corednsImage,
    files: [{ path: `/${basename(coredns)}`, from: coredns, mode: 0o755 }],
    entrypoint: [`/${basename(coredns)}`],
    user: '65532:65532',
  });
}
