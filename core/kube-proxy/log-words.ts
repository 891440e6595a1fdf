/** Which lines of a kube-proxy's log concern one Service: by its name, its addresses and the names of its chains. */
import { hostPort } from '../net/address.ts';
import {
  iptablesChainNames,
  iptablesEndpointChainName,
  nftablesChainNames,
  type ServiceChainNames,
} from './chain-names.ts';
import { knownTargets } from '../api/desired-targets.ts';
import { frontendsOf } from '../api/frontends.ts';
import type { DesiredService } from '../api/service.ts';

/** The words, the longest first: one of them in a line, as a word of its own, makes the line the Service's. */
export function logWords(desired: DesiredService): string[] {
  const { namespace, name, service, endpointSlices } = desired;
  const ports = service.ports.map(({ name: portName, protocol }) => ({ namespace, name, portName, protocol }));
  const chains = ports.flatMap((port) => {
    const endpoints = (['IPv4', 'IPv6'] as const).flatMap((family) =>
      knownTargets(desired, { family, portName: port.portName, protocol: port.protocol }),
    );
    return [
      ...namesOf(iptablesChainNames(port)),
      ...namesOf(nftablesChainNames(port)),
      ...endpoints.map((endpoint) => iptablesEndpointChainName(port, hostPort(endpoint.address, endpoint.port))),
    ];
  });
  const addresses = [
    ...frontendsOf(desired).flatMap(({ address }) => (address === '' ? [] : [address])),
    ...endpointSlices.flatMap(({ endpoints }) => endpoints.flatMap((endpoint) => endpoint.addresses)),
  ];
  return [
    ...new Set([`${namespace}/${name}`, ...endpointSlices.map((slice) => slice.name), ...chains, ...addresses]),
  ].sort((one, other) => other.length - one.length || (one < other ? -1 : 1));
}

function namesOf({ cluster, local, external, firewall }: ServiceChainNames): string[] {
  return [cluster, local, external, firewall];
}

/** The words of `words` that the line has; 10.96.0.1 is not in 10.96.0.10, nor default/auth in default/auth-2. */
export function wordsIn(line: string, words: readonly string[]): string[] {
  return words.filter((word) => {
    for (let at = line.indexOf(word); at >= 0; at = line.indexOf(word, at + 1)) {
      if (!isWordPart(line, at - 1, -1) && !isWordPart(line, at + word.length, 1)) return true;
    }
    return false;
  });
}

/** A dot or a dash goes on with a name or an address where a letter or a digit follows it: a sentence may end with one. */
function isWordPart(line: string, at: number, step: 1 | -1): boolean {
  const character = line[at] ?? '';
  if (/[0-9A-Za-z_]/.test(character)) return true;
  return /[.-]/.test(character) && /[0-9A-Za-z]/.test(line[at + step] ?? '');
}
