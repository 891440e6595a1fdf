/** Reads the node's interfaces, also those that are down, and which of a Service's addresses are the node's own. */
import { access, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { comparableAddress } from '../core/net/address.ts';
import type { RecordOf } from '../core/wire/node-report.ts';
import { parseIfInet6, parseLocalAddresses } from '../core/proc/addresses.ts';
import type { ProbeRequestService } from '../core/wire/probe-request.ts';
import type { Emit } from './io/emit.ts';
import { readSysctl } from './read-system.ts';

type Interface = RecordOf<'interfaces'>['interfaces'][number];

/** A node has about as many interfaces as pods. */
const maxInterfaces = 512;

export async function readInterfaces(emit: Emit): Promise<void> {
  try {
    const names = interfaceNames(await readFile('/proc/net/dev', 'utf8'));
    const up = networkInterfaces();
    const inet6 = parseIfInet6(await textOrNothing('/proc/net/if_inet6'));
    const defaults = await settingsOf('default');
    const interfaces = await Promise.all(
      names.slice(0, maxInterfaces).map(async (name): Promise<Interface> => {
        const addresses = [
          ...(up[name] ?? []).map(({ address }) => address),
          ...inet6.filter((each) => each.name === name).map(({ address }) => address),
        ];
        const { rpFilter, forwarding } = await settingsOf(name);
        const others = {
          ...different('IPv4', forwarding.IPv4, defaults.forwarding.IPv4),
          ...different('IPv6', forwarding.IPv6, defaults.forwarding.IPv6),
        };
        return {
          name,
          addresses: [...new Set(addresses.map(comparableAddress))],
          ...((await isThere(`/sys/class/net/${name}/bridge`)) ? { bridge: true } : {}),
          ...different('rpFilter', rpFilter, defaults.rpFilter),
          ...(Object.keys(others).length === 0 ? {} : { forwarding: others }),
        };
      }),
    );
    emit({ kind: 'interfaces', interfaces, omitted: Math.max(0, names.length - maxInterfaces) });
  } catch (error) {
    emit({
      kind: 'unread',
      part: 'other',
      what: 'interfaces',
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Which virtual addresses of each Service are the node's own: of mode ipvs, where kube-proxy gives them to kube-ipvs0. */
export async function readLocalAddresses(services: readonly ProbeRequestService[], emit: Emit): Promise<void> {
  try {
    const local = parseLocalAddresses(await readFile('/proc/net/fib_trie', 'utf8'));
    for (const { address } of parseIfInet6(await textOrNothing('/proc/net/if_inet6'))) local.add(address);
    for (const { namespace, name, clusterIPs, externalIPs, loadBalancerIPs } of services) {
      const own = [...clusterIPs, ...externalIPs, ...loadBalancerIPs].filter((address) => address !== 'None');
      const isLocal = (address: string): boolean => local.has(comparableAddress(address));
      emit({
        kind: 'localAddresses',
        service: `${namespace}/${name}`,
        local: own.filter(isLocal),
        missing: own.filter((address) => !isLocal(address)),
      });
    }
  } catch (error) {
    emit({
      kind: 'unread',
      part: 'other',
      what: 'local addresses',
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Two lines of heading, then `  eth0: 1234 …` for each interface. */
function interfaceNames(dev: string): string[] {
  return dev
    .split('\n')
    .slice(2)
    .flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}

async function settingsOf(
  name: string,
): Promise<{ rpFilter: number | undefined; forwarding: { IPv4: number | undefined; IPv6: number | undefined } }> {
  const [rpFilter, v4, v6] = await Promise.all(
    [`ipv4/conf/${name}/rp_filter`, `ipv4/conf/${name}/forwarding`, `ipv6/conf/${name}/forwarding`].map(async (path) =>
      numberOf(await readSysctl(`net/${path}`)),
    ),
  );
  return { rpFilter, forwarding: { IPv4: v4, IPv6: v6 } };
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function different<Key extends string>(
  key: Key,
  value: number | undefined,
  usual: number | undefined,
): { [Each in Key]?: number } {
  return value === undefined || value === usual ? {} : ({ [key]: value } as { [Each in Key]?: number });
}

/** The file is not there where the kernel has no IPv6. */
async function textOrNothing(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
