/** Lines of /proc/net/tcp, tcp6, udp and udp6: one socket each, addresses as hexadecimal words in the CPU's byte order (proc(5)). */
import { canonicalAddress } from '../net/address.ts';

export interface ProcSocket {
  /** Canonical; 0.0.0.0 and :: are all addresses. */
  readonly address: string;
  readonly port: number;
  readonly uid: number;
}

/** The kernel's states (include/net/tcp_states.h): TCP_LISTEN, and TCP_CLOSE, which is what a UDP socket without a peer has. */
const listening = { TCP: '0A', UDP: '07' } as const;

/**
 * A socket that waits for packets from anybody; undefined for any other line.
 * @param byteOrder of the node's CPU
 */
export function parseListeningSocket(
  line: string,
  protocol: 'TCP' | 'UDP',
  byteOrder: 'LE' | 'BE',
): ProcSocket | undefined {
  const [, words, port, state, uid] =
    /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ [0-9A-F]+\s+(\d+)\s/.exec(
      line,
    ) ?? [];
  if (words === undefined || port === undefined || state !== listening[protocol]) return undefined;
  const address = addressOf(words, byteOrder);
  return address === undefined ? undefined : { address, port: parseInt(port, 16), uid: Number(uid) };
}

function addressOf(words: string, byteOrder: 'LE' | 'BE'): string | undefined {
  const bytes = (words.match(/.{8}/g) ?? []).flatMap((word) => {
    const inOrder = word.match(/../g) ?? [];
    return byteOrder === 'LE' ? inOrder.reverse() : inOrder;
  });
  return canonicalAddress(
    bytes.length === 4
      ? bytes.map((byte) => String(parseInt(byte, 16))).join('.')
      : Array.from({ length: 8 }, (_, index) => `${bytes[2 * index] ?? ''}${bytes[2 * index + 1] ?? ''}`).join(':'),
  );
}
