/**
 * Netlink's framing (netlink(7), RFC 3549), in both directions: messages, and attributes of type, length and value, padded to
 * four bytes. Headers and attributes' lengths are in the byte order of the host; the numbers of nf_tables' attributes
 * are big-endian. What is not whole, or not as the kernel writes it, is refused: nothing is taken for zero or for empty.
 */

/** Bytes that are no netlink message of the form that is read here, or say something that is not known here. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
}

export interface NetlinkMessage {
  /** For nf_tables: subsystem << 8 | message (nfnetlink.h); below 16 netlink's own. */
  readonly type: number;
  readonly flags: number;
  /** Of the question that it answers. */
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** NLMSG_ERROR and NLMSG_DONE. */
export const messageError = 2;
export const messageDone = 3;
/** NLM_F_DUMP_INTR: what is dumped changed meanwhile, so that the dump may lack things or have them twice. */
export const flagInterrupted = 0x10;

/** The kernel that is asked runs on the same machine. */
export const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Bytes of struct nlmsghdr and of struct nlattr. */
const [messageHeader, attributeHeader] = [16, 4];

/** The messages of what was received at once. Throws NetlinkError where one is cut off. */
export function parseNetlinkMessages(bytes: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    if (at + messageHeader > bytes.length)
      throw new NetlinkError(`a message's header is cut off at byte ${String(at)}`);
    const length = view.getUint32(at, isLittleEndian);
    if (length < messageHeader || at + length > bytes.length)
      throw new NetlinkError(`the message at byte ${String(at)} has the impossible length ${String(length)}`);
    messages.push({
      type: view.getUint16(at + 4, isLittleEndian),
      flags: view.getUint16(at + 6, isLittleEndian),
      sequence: view.getUint32(at + 8, isLittleEndian),
      payload: bytes.subarray(at + messageHeader, at + length),
    });
    at += padded(length);
  }
  return messages;
}

/** The errno of an error message or of the end of a dump; 0 where all is well. */
export function errorNumber({ payload }: NetlinkMessage): number {
  if (payload.length < 4) throw new NetlinkError('an error message is cut off');
  return -viewOf(payload).getInt32(0, isLittleEndian);
}

export function netlinkMessage(type: number, flags: number, sequence: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(messageHeader + payload.length);
  const view = viewOf(bytes);
  view.setUint32(0, bytes.length, isLittleEndian);
  view.setUint16(4, type, isLittleEndian);
  view.setUint16(6, flags, isLittleEndian);
  view.setUint32(8, sequence, isLittleEndian);
  bytes.set(payload, messageHeader);
  return bytes;
}

/** Attributes by type. The kernel has each type once, but for lists, whose elements are all of type 1. */
export class NetlinkAttributes {
  readonly #values = new Map<number, Uint8Array[]>();

  /** Throws NetlinkError where an attribute is cut off. */
  constructor(bytes: Uint8Array) {
    const view = viewOf(bytes);
    for (let at = 0; at < bytes.length;) {
      if (at + attributeHeader > bytes.length) throw new NetlinkError('an attribute is cut off');
      const length = view.getUint16(at, isLittleEndian);
      // The two highest bits say that it is nested, or big-endian.
      const type = view.getUint16(at + 2, isLittleEndian) & 0x3fff;
      if (length < attributeHeader || at + length > bytes.length)
        throw new NetlinkError(`the attribute ${String(type)} has the impossible length ${String(length)}`);
      const value = bytes.subarray(at + attributeHeader, at + length);
      const values = this.#values.get(type);
      if (values === undefined) this.#values.set(type, [value]);
      else values.push(value);
      at += padded(length);
    }
  }

  bytes(type: number): Uint8Array | undefined {
    const values = this.all(type);
    if (values.length > 1)
      throw new NetlinkError(`the attribute ${String(type)} is there ${String(values.length)} times`);
    return values[0];
  }

  all(type: number): readonly Uint8Array[] {
    return this.#values.get(type) ?? [];
  }

  nested(type: number): NetlinkAttributes | undefined {
    const bytes = this.bytes(type);
    return bytes === undefined ? undefined : new NetlinkAttributes(bytes);
  }

  /** A big-endian number of one, two, four or eight bytes; one that is not exact (above 2^53) is refused. */
  number(type: number): number | undefined {
    const bytes = this.bytes(type);
    if (bytes === undefined) return undefined;
    const value = [1, 2, 4, 8].includes(bytes.length) ? Number(bigEndian(bytes)) : NaN;
    if (!Number.isSafeInteger(value))
      throw new NetlinkError(`the attribute ${String(type)} is not a number that can be read`);
    return value;
  }

  /** Ends with a zero byte, and has no other. */
  string(type: number): string | undefined {
    const bytes = this.bytes(type);
    if (bytes === undefined) return undefined;
    if (bytes.indexOf(0) !== bytes.length - 1)
      throw new NetlinkError(`the attribute ${String(type)} is not text that ends where it ends`);
    return zeroTerminated(bytes);
  }

  /** Throws NetlinkError where there is an attribute of another type: what it says is not known. */
  requireOnly(types: readonly number[]): void {
    const other = [...this.#values.keys()].find((type) => !types.includes(type));
    if (other !== undefined) throw new NetlinkError(`the attribute ${String(other)} is not known`);
  }
}

/** One attribute. Throws NetlinkError where the value is longer than an attribute can be. */
export function netlinkAttribute(type: number, value: string | Uint8Array): Uint8Array {
  const content = typeof value === 'string' ? new TextEncoder().encode(`${value}\0`) : value;
  const length = attributeHeader + content.length;
  if (length > 0xffff)
    throw new NetlinkError(`a value of ${String(content.length)} bytes does not fit into an attribute`);
  const bytes = new Uint8Array(padded(length));
  const view = viewOf(bytes);
  view.setUint16(0, length, isLittleEndian);
  view.setUint16(2, type, isLittleEndian);
  bytes.set(content, attributeHeader);
  return bytes;
}

/** NLA_F_NESTED: the value is attributes itself. */
export function nestedAttribute(type: number, attributes: Uint8Array): Uint8Array {
  return netlinkAttribute(type | 0x8000, attributes);
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function bigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

export function bigEndianBytes(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Number((value >> BigInt((length - 1 - index) * 8)) & 0xffn));
}

/** The text before the first zero byte. Throws NetlinkError where there is none, or it is not UTF-8. */
export function zeroTerminated(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  if (end < 0) throw new NetlinkError('a text has no end');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end));
  } catch {
    throw new NetlinkError('a text is not UTF-8');
  }
}

export function padded(length: number): number {
  return (length + 3) & ~3;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
