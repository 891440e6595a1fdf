import { describe, expect, it } from 'vitest';
import {
  captureFilter,
  capturePlaces,
  captureRequestSchema,
  type CapturePlace,
} from '../../../core/capture/request.ts';
import { createHopDescriber, readPacketHeader } from '../../../core/capture/packet-hop.ts';
import { createPcapReader, type PcapPacket } from '../../../core/capture/pcap-stream.ts';
import { desiredService, endpoint } from '../../support/node-facts.ts';

const desired = desiredService([endpoint('10.244.1.2'), endpoint('10.244.2.2')], {
  ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
});

describe('the filter', () => {
  it('takes the frontends and the endpoints of a Service, one term for each port', () => {
    expect(captureFilter(capturePlaces(desired).places)).toBe(
      '(tcp port 80 and (host 10.96.0.7)) or (tcp port 30080) or (tcp port 8080 and (host 10.244.1.2 or host 10.244.2.2))',
    );
  });

  it('takes both families and protocols', () => {
    const places: CapturePlace[] = [
      { hop: 'ClusterIP', address: 'fd00::7', port: 53, protocol: 'UDP' },
      { hop: 'ClusterIP', address: '10.96.0.7', port: 53, protocol: 'TCP' },
    ];
    expect(captureFilter(places)).toBe('(udp port 53 and (host fd00::7)) or (tcp port 53 and (host 10.96.0.7))');
  });

  it('stays short with many endpoints, and says how many are left out', () => {
    const many = desiredService(Array.from({ length: 230 }, (_, index) => endpoint(`10.244.${String(index)}.2`)));
    const { places, omittedEndpoints } = capturePlaces(many);
    expect(omittedEndpoints).toBe(30);
    expect(captureFilter(places).split('host ')).toHaveLength(202);
  });

  it('is made of nothing but addresses and ports', () => {
    const request = {
      version: 1,
      node: 'a',
      durationSeconds: 1,
      maxBytes: 1,
      snapLength: 64,
      places: [{ hop: 'ClusterIP', address: '10.0.0.1', port: 80, protocol: 'TCP' }],
    };
    expect(captureRequestSchema.safeParse(request).success).toBe(true);
    for (const place of [
      { address: '10.0.0.1) or (host 1.1.1.1' },
      { address: 'fe80::1%eth0' },
      { port: '80 or tcp' },
      { protocol: 'icmp or tcp' },
    ]) {
      expect(captureRequestSchema.safeParse({ ...request, places: [{ ...request.places[0], ...place }] }).success).toBe(
        false,
      );
    }
  });
});

/** A pcap file with one packet, in the asked order of bytes and unit of time. */
function pcap(
  littleEndian: boolean,
  magic: number,
  fraction: number,
  data: readonly number[],
  linkType = 276,
): Uint8Array {
  const bytes = new Uint8Array(24 + 16 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, littleEndian);
  view.setUint32(20, linkType, littleEndian);
  view.setUint32(24, 1_700_000_000, littleEndian);
  view.setUint32(28, fraction, littleEndian);
  view.setUint32(32, data.length, littleEndian);
  view.setUint32(36, 1500, littleEndian);
  bytes.set(data, 40);
  return bytes;
}

describe('the pcap reader', () => {
  it.each([
    [true, 0xa1b2c3d4, 250_000],
    [false, 0xa1b2c3d4, 250_000],
    [true, 0xa1b23c4d, 250_000_999],
    [false, 0xa1b23c4d, 250_000_999],
  ])('reads a file of little-endian %s and magic %i in pieces of any size', (littleEndian, magic, fraction) => {
    for (let size = 1; size <= 45; size += 1) {
      const packets: PcapPacket[] = [];
      const reader = createPcapReader((packet) => {
        packets.push(packet);
      });
      const file = pcap(littleEndian, magic, fraction, [1, 2, 3]);
      for (let at = 0; at < file.length; at += size) reader.push(file.slice(at, at + size));
      expect(packets).toEqual([{ time: 1_700_000_000_250_000, length: 1500, data: Uint8Array.from([1, 2, 3]) }]);
    }
  });

  it('refuses what is not a pcap file, another link type and an impossible length', () => {
    const read = (file: Uint8Array): void => {
      createPcapReader(() => undefined).push(file);
    };
    expect(() => {
      read(new Uint8Array(24));
    }).toThrow('it does not begin as a pcap file does');
    expect(() => {
      read(pcap(true, 0xa1b2c3d4, 0, [], 1));
    }).toThrow('its link type is 1, not LINUX_SLL2');
    const truncated = pcap(true, 0xa1b2c3d4, 0, [1]);
    new DataView(truncated.buffer).setUint32(32, 0xffffffff, true);
    expect(() => {
      read(truncated);
    }).toThrow('a packet of 4294967295 bytes is none');
  });
});

/** A packet of LINUX_SLL2 with ports and no more. */
function packet(
  type: number,
  from: readonly number[],
  to: readonly number[],
  ports: readonly [number, number],
  protocol = 6,
): Uint8Array {
  const isV6 = from.length === 16;
  const link = [...(isV6 ? [0x86, 0xdd] : [8, 0]), 0, 0, 0, 0, 0, 7, 0, 1, type, 6, 0, 0, 0, 0, 0, 0, 0, 0];
  const network = isV6
    ? [0x60, 0, 0, 0, 0, 4, protocol, 64, ...from, ...to]
    : [0x45, 0, 0, 24, 0, 0, 0, 0, 64, protocol, 0, 0, ...from, ...to];
  return Uint8Array.from([...link, ...network, ports[0] >> 8, ports[0] & 0xff, ports[1] >> 8, ports[1] & 0xff]);
}

const client = [10, 0, 0, 9];
const vip = [10, 96, 0, 7];
const pod = [10, 244, 1, 2];

describe('where a packet is', () => {
  it('is read from its headers', () => {
    expect(readPacketHeader(packet(4, client, vip, [40_000, 80]))).toEqual({
      interfaceIndex: 7,
      direction: 'out',
      source: '10.0.0.9',
      destination: '10.96.0.7',
      protocol: 'TCP',
      sourcePort: 40_000,
      destinationPort: 80,
    });
    const v6 = (last: number): number[] => [0xfd, ...Array.from({ length: 14 }, () => 0), last];
    expect(readPacketHeader(packet(0, v6(1), v6(2), [53, 54], 17))).toMatchObject({
      direction: 'in',
      source: 'fd00::1',
      destination: 'fd00::2',
      protocol: 'UDP',
    });
  });

  it('is not known of a fragment, a cut packet and another protocol', () => {
    const whole = packet(0, client, vip, [40_000, 80]);
    const fragment = Uint8Array.from(whole);
    fragment[27] = 1;
    expect(readPacketHeader(fragment)).toBeUndefined();
    expect(readPacketHeader(whole.slice(0, 42))).toBeUndefined();
    expect(readPacketHeader(packet(0, client, vip, [1, 2], 1))).toBeUndefined();
    for (let length = 0; length < whole.length; length += 1)
      expect(readPacketHeader(whole.slice(0, length))).toBeUndefined();
  });

  it('is described in the words of a Service', () => {
    const describer = createHopDescriber(capturePlaces(desired).places, ['172.30.0.11'], (address) =>
      address === '10.244.1.2' ? 'auth-2' : undefined,
    );
    const describeHop = (...args: Parameters<typeof packet>): string =>
      describer.describe('node-a', 'veth1', readPacketHeader(packet(...args)));
    expect([
      describeHop(4, client, pod, [39_999, 8080]),
      describeHop(0, client, vip, [40_000, 80]),
      describeHop(4, client, pod, [40_000, 8080]),
      describeHop(0, pod, client, [8080, 40_000]),
      describeHop(4, vip, client, [80, 40_000]),
      describeHop(0, client, [172, 30, 0, 11], [40_001, 30_080]),
      describeHop(0, client, [172, 30, 0, 99], [40_001, 30_080]),
      describer.describe('node-a', 'veth1', undefined),
    ]).toEqual([
      'node-a veth1 out: client 10.0.0.9:39999 to endpoint 10.244.1.2:8080 (pod auth-2), after DNAT (its source too may be another), or sent to the endpoint itself',
      'node-a veth1 in: client 10.0.0.9:40000 to ClusterIP 10.96.0.7:80, before DNAT',
      'node-a veth1 out: client 10.0.0.9:40000 to endpoint 10.244.1.2:8080 (pod auth-2), after DNAT',
      'node-a veth1 in: endpoint 10.244.1.2:8080 (pod auth-2) to client 10.0.0.9:40000, answer, before DNAT is undone',
      'node-a veth1 out: ClusterIP 10.96.0.7:80 to client 10.0.0.9:40000, answer, after DNAT was undone',
      'node-a veth1 in: client 10.0.0.9:40001 to NodePort 172.30.0.11:30080, before DNAT',
      'node-a veth1 in: 10.0.0.9:40001 to 172.30.0.99:30080',
      'node-a veth1: not understood, cut or a fragment',
    ]);
  });
});
