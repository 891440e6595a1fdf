/**
 * What the kernel itself leaves out of the events of conntrack, by a filter of the socket (classic BPF, linux/filter.h): everything
 * of other addresses and node ports, and updates but those to SYN_RECV and CLOSE. A node that makes 100,000 connections a second
 * for others costs the probe nothing. What it lets through is looked at once more.
 */
import { isLittleEndian } from '../../core/nftables/netlink/message.ts';

export interface FilterTerms {
  /** Destinations, as bytes: four or sixteen. */
  readonly addresses: readonly Uint8Array[];
  readonly ports: readonly number[];
}

interface Instruction {
  readonly code: number;
  readonly jumpTrue?: number;
  readonly jumpFalse?: number;
  readonly value: number;
}

/** BPF_MAXINSNS. */
const maxInstructions = 4096;
const acceptAll = 0x40000;

const load = (value: number): Instruction => ({ code: 0x00, value });
const loadByte = (value: number): Instruction => ({ code: 0x30, value });
/** Relative to X. */
const wordAtX = (value: number): Instruction => ({ code: 0x40, value });
const halfAtX = (value: number): Instruction => ({ code: 0x48, value });
const byteAtX = (value: number): Instruction => ({ code: 0x50, value });
const loadX = (value: number): Instruction => ({ code: 0x01, value });
const toX: Instruction = { code: 0x07, value: 0 };
const store: Instruction = { code: 0x02, value: 0 };
const recall: Instruction = { code: 0x60, value: 0 };
const and = (value: number): Instruction => ({ code: 0x54, value });
const skip = (value: number): Instruction => ({ code: 0x05, value });
const end = (value: number): Instruction => ({ code: 0x06, value });
const ifEqual = (value: number, jumpTrue: number, jumpFalse: number): Instruction => ({
  code: 0x15,
  jumpTrue,
  jumpFalse,
  value,
});

/** SKF_AD_NLATTR, SKF_AD_NLATTR_NEST: where an attribute of the type in X is, after A or in the attribute at A; 0 where it is not. */
const attributeIn = (type: number, first: readonly Instruction[] = []): Instruction[] => [
  loadX(type),
  ...first,
  { code: 0x20, value: 0xfffff010 },
];
/** After struct nlmsghdr and struct nfgenmsg. */
const attributeOfMessage = (type: number): Instruction[] => [loadX(type), load(20), { code: 0x20, value: 0xfffff00c }];

/** The high byte of NLM_F_CREATE, and the byte of IPCTNL_MSG_CT_DELETE, in the byte order of the host. */
const [kindByte, flagByte] = isLittleEndian ? [4, 7] : [5, 6];

/** Updates: TCP's state is SYN_RECV (2) or CLOSE (8). */
const wantedUpdates: readonly Instruction[] = [
  ...attributeOfMessage(4),
  ifEqual(0, 10, 0),
  ...attributeIn(1),
  ifEqual(0, 7, 0),
  ...attributeIn(1),
  ifEqual(0, 4, 0),
  toX,
  byteAtX(4),
  ifEqual(2, 2, 0),
  ifEqual(8, 1, 0),
  end(0),
];

/** As struct sock_filter, one after the other. Longer than the kernel takes: then it lets all Services through. */
export function connectionFilter({ addresses, ports }: FilterTerms): Buffer {
  const [fours, sixteens] = [4, 16].map((length) => addresses.filter((each) => each.length === length));
  const destination = [...attributeOfMessage(1), store];
  const head = [
    loadByte(kindByte),
    ifEqual(2, wantedUpdates.length + 3, 0),
    loadByte(flagByte),
    and(4),
    ifEqual(4, wantedUpdates.length, 0),
    ...wantedUpdates,
  ];
  const byPort = [
    ...attributeIn(2, [recall]),
    ...attributeIn(3),
    toX,
    halfAtX(4),
    ...ports.flatMap((port) => [ifEqual(port, 0, 1), end(acceptAll)]),
  ];
  const long = [
    ...attributeIn(1, [recall]),
    ...attributeIn(4),
    toX,
    ...(sixteens ?? []).flatMap((address) => [
      ...wordsOf(address).flatMap((word, index) => [wordAtX(4 + 4 * index), ifEqual(word, 0, 7 - 2 * index)]),
      end(acceptAll),
    ]),
    end(0),
  ];
  const short = [
    ...attributeIn(1, [recall]),
    ...attributeIn(2),
    toX,
    wordAtX(4),
    ...(fours ?? []).flatMap((address) => [ifEqual(wordsOf(address)[0] ?? 0, 0, 1), end(acceptAll)]),
    end(0),
  ];
  const program = [
    ...head,
    ...destination,
    ...(ports.length === 0 ? [] : byPort),
    // struct nfgenmsg begins with the family: AF_INET.
    loadByte(16),
    ifEqual(2, 0, 1),
    skip(long.length),
    ...long,
    ...short,
  ];
  return Buffer.concat((program.length <= maxInstructions ? program : [...head, end(acceptAll)]).map(bytesOf));
}

function wordsOf(address: Uint8Array): number[] {
  const bytes = Buffer.from(address);
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32BE(4 * index));
}

function bytesOf({ code, jumpTrue = 0, jumpFalse = 0, value }: Instruction): Buffer {
  const bytes = Buffer.alloc(8);
  if (isLittleEndian) {
    bytes.writeUInt16LE(code, 0);
    bytes.writeUInt32LE(value, 4);
  } else {
    bytes.writeUInt16BE(code, 0);
    bytes.writeUInt32BE(value, 4);
  }
  bytes.writeUInt8(jumpTrue, 2);
  bytes.writeUInt8(jumpFalse, 3);
  return bytes;
}
