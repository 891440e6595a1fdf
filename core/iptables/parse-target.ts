/** What -j says, from the target's name and its options. */
import type { IptablesTarget, KeptOption, NatFlag, NatRange, PortRange } from './rule.ts';
import { isAddressText, readMask, readNumber, readPorts, targetGrammar } from './modules.ts';

/** A target whose options are not all understood is an `extension`, with all of them; a name that is not a target is a chain. */
export function readTarget(name: string, options: readonly KeptOption[]): IptablesTarget {
  const known =
    targetGrammar(name) === undefined ||
    options.some(({ negated, values }) => negated || values.some((value) => value.includes('"')))
      ? undefined
      : readKnown(name, options);
  if (known !== undefined) return known;
  return options.length === 0 && targetGrammar(name) === undefined
    ? { kind: 'jump', chain: name }
    : { kind: 'extension', name, options };
}

function readKnown(name: string, options: readonly KeptOption[]): IptablesTarget | undefined {
  switch (name) {
    case 'ACCEPT':
    case 'DROP':
    case 'RETURN':
    case 'QUEUE':
    case 'NOTRACK':
    case 'TRACE':
      return options.length === 0 ? { kind: name } : undefined;
    case 'REJECT': {
      const [only, more] = options;
      if (only === undefined) return { kind: 'REJECT', with: undefined };
      return only.name === '--reject-with' && more === undefined && only.values[0] !== undefined
        ? { kind: 'REJECT', with: only.values[0] }
        : undefined;
    }
    case 'DNAT':
    case 'SNAT':
      return readNat(name, name === 'DNAT' ? '--to-destination' : '--to-source', options);
    case 'MASQUERADE':
    case 'REDIRECT':
      return readPortNat(name, options);
    case 'NETMAP': {
      const [only, more] = options;
      return only?.name === '--to' && more === undefined && only.values[0] !== undefined
        ? { kind: 'NETMAP', to: only.values[0] }
        : undefined;
    }
    case 'MARK': {
      const [only, more] = options;
      const change = only === undefined || more !== undefined ? undefined : readChange(only);
      return change === undefined ? undefined : { kind: 'MARK', ...change };
    }
    case 'CONNMARK':
      return readConnectionMark(options);
    case 'CT':
      return options.length === 1 && options[0]?.name === '--notrack' ? { kind: 'CT', notrack: true } : undefined;
    default:
      return undefined;
  }
}

const natFlags: ReadonlyMap<string, NatFlag> = new Map([
  ['--random', 'random'],
  ['--random-fully', 'random-fully'],
  ['--persistent', 'persistent'],
]);

function readNat(kind: 'DNAT' | 'SNAT', toName: string, options: readonly KeptOption[]): IptablesTarget | undefined {
  const to: NatRange[] = [];
  const flags: NatFlag[] = [];
  for (const { name, values } of options) {
    const flag = natFlags.get(name);
    const range = name === toName ? parseNatRange(values[0] ?? '') : undefined;
    if (flag !== undefined) flags.push(flag);
    else if (range !== undefined) to.push(range);
    else return undefined;
  }
  // A kernel has one range for each (struct nf_nat_range2, since 2.6.11): several are what an old iptables makes of a newer one's.
  return to.length === 1 ? { kind, to, flags } : undefined;
}

function readPortNat(kind: 'MASQUERADE' | 'REDIRECT', options: readonly KeptOption[]): IptablesTarget | undefined {
  let ports: PortRange | undefined;
  const flags: NatFlag[] = [];
  for (const { name, values } of options) {
    const flag = natFlags.get(name);
    if (flag !== undefined) flags.push(flag);
    else if (name === '--to-ports' && ports === undefined) {
      ports = readPorts(values[0] ?? '', '-');
      if (ports === undefined) return undefined;
    } else return undefined;
  }
  return { kind, ports, flags };
}

/** `10.0.0.1`, `10.0.0.1-10.0.0.9:80-90/80`, `:80`, `fd00::1`, `[fd00::1-fd00::9]:80`; undefined where it is none of them. */
function parseNatRange(text: string): NatRange | undefined {
  let addressText = text;
  let portText: string | undefined;
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    if (end < 0) return undefined;
    addressText = text.slice(1, end);
    const rest = text.slice(end + 1);
    // Brackets without a port are not what iptables prints.
    if (!rest.startsWith(':')) return undefined;
    portText = rest.slice(1);
  } else {
    const colon = text.indexOf(':');
    // Several colons are an IPv6 address.
    if (colon >= 0 && text.indexOf(':', colon + 1) < 0) {
      addressText = text.slice(0, colon);
      portText = text.slice(colon + 1);
    }
  }
  const addresses = addressText === '' ? undefined : readAddresses(addressText);
  if (addressText !== '' && addresses === undefined) return undefined;
  if (portText === undefined) return addresses === undefined ? undefined : { addresses };
  const slash = portText.indexOf('/');
  const ports = readPorts(slash < 0 ? portText : portText.slice(0, slash), '-');
  if (ports === undefined) return undefined;
  const base = slash < 0 ? undefined : readNumber(portText.slice(slash + 1));
  if (slash >= 0 && (base === undefined || base > 65535)) return undefined;
  // There is no port 0 to send to: xtables_parse_port of extensions/libxt_NAT.c takes none.
  if (ports.from === 0) return undefined;
  return {
    ...(addresses === undefined ? undefined : { addresses }),
    ports,
    ...(base === undefined ? undefined : { base }),
  };
}

function readAddresses(text: string): { readonly from: string; readonly to: string } | undefined {
  const hyphen = text.indexOf('-');
  const from = hyphen < 0 ? text : text.slice(0, hyphen);
  const to = hyphen < 0 ? text : text.slice(hyphen + 1);
  return isAddressText(from) && isAddressText(to) && !isUnspecified(from) && !isUnspecified(to)
    ? { from, to }
    : undefined;
}

/** `0.0.0.0` and `::` are no address that a packet could be sent to. */
function isUnspecified(text: string): boolean {
  return /^[0.:]+$/.test(text);
}

/** What an option of MARK or CONNMARK does to a mark (iptables-extensions(8)): zero the bits of clear, then xor value. */
function readChange({ name, values }: KeptOption): { readonly value: number; readonly clear: number } | undefined {
  const text = values[0] ?? '';
  if (name === '--set-xmark' || name === '--set-mark') {
    const read = readMask(text);
    if (read === undefined) return undefined;
    const mask = read.mask ?? 0xffffffff;
    return { value: read.value, clear: name === '--set-xmark' ? mask : (mask | read.value) >>> 0 };
  }
  const bits = readNumber(text);
  if (bits === undefined) return undefined;
  switch (name) {
    case '--and-mark':
      return { value: 0, clear: ~bits >>> 0 };
    case '--or-mark':
      return { value: bits, clear: bits };
    case '--xor-mark':
      return { value: bits, clear: 0 };
    default:
      return undefined;
  }
}

function readConnectionMark(options: readonly KeptOption[]): IptablesTarget | undefined {
  const [first, ...others] = options;
  if (first === undefined) return undefined;
  if (first.name !== '--save-mark' && first.name !== '--restore-mark') {
    const change = others.length > 0 ? undefined : readChange(first);
    return change === undefined ? undefined : { kind: 'CONNMARK', action: 'set', ...change };
  }
  let nfmask: number | undefined;
  let ctmask: number | undefined;
  for (const { name, values } of others) {
    const bits = readNumber(values[0] ?? '');
    if (bits === undefined) return undefined;
    if (name === '--nfmask' && nfmask === undefined) nfmask = bits;
    else if (name === '--ctmask' && ctmask === undefined) ctmask = bits;
    else if (name === '--mask' && nfmask === undefined && ctmask === undefined) nfmask = ctmask = bits;
    else return undefined;
  }
  return {
    kind: 'CONNMARK',
    action: first.name === '--save-mark' ? 'save' : 'restore',
    nfmask: nfmask ?? 0xffffffff,
    ctmask: ctmask ?? 0xffffffff,
  };
}
