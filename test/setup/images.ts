/** The operator's and the probe's image, assembled from this machine's own files as config/image/Containerfile does it. */
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  buildImage,
  collectDirectory,
  collectExecutable,
  mergeContent,
  type ImageContent,
  type ImageSpec,
} from '../cluster/images.ts';
import { findExecutable } from '../cluster/requirements.ts';
import { operatorEntrypoint } from '../../scripts/operator-entrypoint.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The same names as in config/default, so that the manifests are used as they are. */
export const operatorImage = 'svctrace/operator:v0.1.0';
export const probeImage = 'svctrace/probe:v0.1.0';

/** The tools that a probe calls; the iptables names are links to the two multi-call programs. */
const probeTools = [
  'xtables-nft-multi',
  'xtables-legacy-multi',
  'nft',
  'conntrack',
  'xargs',
  'perl',
  'dumpcap',
] as const;
const nftLinks = ['iptables-nft', 'iptables-nft-save', 'ip6tables-nft', 'ip6tables-nft-save'];
const legacyLinks = ['iptables-legacy', 'iptables-legacy-save', 'ip6tables-legacy', 'ip6tables-legacy-save'];

/** Bundles the programs (scripts/build.ts) and builds both images; returns the paths of their tars. */
export async function buildProjectImages(): Promise<{ operator: string; probe: string }> {
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const node = await nodeContent();
  const operator = await buildImage({
    name: operatorImage,
    files: [
      ...node.files,
      { path: '/operator.mjs', from: `${root}dist/operator.mjs`, mode: 0o644 },
      { path: '/status-worker.mjs', from: `${root}dist/status-worker.mjs`, mode: 0o644 },
    ],
    symlinks: node.symlinks,
    entrypoint: operatorEntrypoint(),
    user: '65532:65532',
  });
  return { operator, probe: await buildImage(await probeSpec(node)) };
}

/** What the probe's image is made of; its programs are those of dist/. */
export async function probeSpec(node?: ImageContent): Promise<ImageSpec> {
  const tools = mergeContent(
    node ?? (await nodeContent()),
    ...(await Promise.all(probeTools.map(toolContent))),
    xtablesExtensions(),
  );
  return {
    name: probeImage,
    files: [...tools.files, { path: '/probe.mjs', from: `${root}dist/probe.mjs`, mode: 0o644 }],
    symlinks: [
      ...tools.symlinks,
      ...nftLinks.map((name) => ({ path: `/usr/sbin/${name}`, target: 'xtables-nft-multi' })),
      ...legacyLinks.map((name) => ({ path: `/usr/sbin/${name}`, target: 'xtables-legacy-multi' })),
    ],
    entrypoint: ['/usr/local/bin/node', '/probe.mjs'],
    command: ['wait'],
  };
}

/** The node that runs this script, with the libraries that it loads. */
async function nodeContent(): Promise<ImageContent> {
  const program = realpathSync(process.execPath);
  const { files, symlinks } = await collectExecutable(program);
  return {
    files: files.map((file) =>
      file.from === program ? { path: '/usr/local/bin/node', from: program, mode: 0o755 } : file,
    ),
    symlinks: symlinks.filter(({ target }) => target !== program),
  };
}

async function toolContent(name: string): Promise<ImageContent> {
  const program = findExecutable(name);
  if (program === undefined)
    throw new Error(`The probe's image needs ${name}; install it with \`npm run cluster -- packages\`.`);
  return collectExecutable(program);
}

/** The matches and targets of iptables are libraries that it loads by name. */
function xtablesExtensions(): ImageContent {
  const directory = [`/usr/lib/${debianTriplet()}/xtables`, '/usr/lib/xtables', '/usr/lib64/xtables'].find((path) =>
    existsSync(path),
  );
  if (directory === undefined)
    throw new Error("The extensions of iptables (the folder xtables of Debian's iptables package) are not installed.");
  return collectDirectory(directory);
}

/** Where Debian keeps this machine's libraries, below /usr/lib. */
export function debianTriplet(): string {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
}
