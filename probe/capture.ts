/** The verb `capture`: packets of one Service, by dumpcap, for a bounded time and size (docs/decisions/063). */
import { readFile } from 'node:fs/promises';
import type { CaptureRecord } from '../core/capture/record.ts';
import { captureFilter, type CaptureRequest } from '../core/capture/request.ts';
import { createPcapReader } from '../core/capture/pcap-stream.ts';
import { startCommand } from './io/commands.ts';
import { ownAddresses } from './io/own-addresses.ts';

/** Rejects for nothing: what went wrong stands in the last record. */
export async function capture(request: CaptureRequest, emit: (record: CaptureRecord) => void): Promise<void> {
  const { durationSeconds, maxBytes, snapLength } = request;
  const filter = captureFilter(request.places);
  emit({
    kind: 'captureStart',
    version: 1,
    node: request.node,
    startedAt: new Date().toISOString(),
    filter,
    snapLength,
    addresses: ownAddresses(),
    interfaces: await interfaceNames(),
  });
  let packets = 0;
  let bytes = 0;
  let problem: string | undefined;
  let isFull = false;
  const reader = createPcapReader(({ time, length, data }) => {
    if (bytes + data.length > maxBytes) {
      isFull = true;
      program.stop();
    }
    if (isFull) return;
    bytes += data.length;
    packets += 1;
    emit({
      kind: 'packet',
      time,
      length,
      data: Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64'),
    });
  });
  const program = startCommand(
    // -p: no promiscuous mode; -P: classic pcap; the filter is one argument, and has nothing but addresses and ports.
    [
      'dumpcap',
      '-q',
      '-p',
      '-P',
      '-i',
      'any',
      '-y',
      'LINUX_SLL2',
      '-s',
      String(snapLength),
      '-a',
      `duration:${String(durationSeconds)}`,
      '-f',
      filter,
      '-w',
      '-',
    ],
    (chunk) => {
      try {
        if (problem === undefined) reader.push(chunk);
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
        program.stop();
      }
    },
  );
  // dumpcap ends by itself; it is ended all the same where it does not.
  const timer = setTimeout(
    () => {
      program.stop();
    },
    (durationSeconds + 2) * 1000,
  );
  const { status, errors } = await program.finished;
  clearTimeout(timer);
  const dropped = errors
    .flatMap((line) => /received\/dropped on interface .*: \d+\/(\d+)/.exec(line)?.[1] ?? [])
    .map(Number)[0];
  if (problem === undefined && status !== 0 && !isFull && packets === 0)
    problem = errors.find((line) => !line.includes('cap_set_proc')) ?? `dumpcap ended with status ${String(status)}`;
  emit({
    kind: 'captureEnd',
    reason: problem !== undefined ? 'failed' : isFull ? 'bytes' : 'duration',
    packets,
    ...(dropped === undefined ? {} : { dropped }),
    ...(problem === undefined ? {} : { problem }),
  });
}

/** By number. /sys would show another network's where it was mounted in it; these files are always the process's own. */
async function interfaceNames(): Promise<Record<string, string>> {
  const read = async (file: string): Promise<string[]> =>
    (await readFile(`/proc/net/${file}`, 'utf8').catch(() => '')).split('\n');
  const [igmp, multicast, ipv6] = await Promise.all([read('igmp'), read('dev_mcast'), read('if_inet6')]);
  return Object.fromEntries([
    // `2	eth0      :     1      V3`; its groups stand in lines that begin with a blank.
    ...igmp.flatMap((line) => pair(/^(\d+)\s+(\S+)/.exec(line))),
    // `2    eth0            1     0     01005e000001`
    ...multicast.flatMap((line) => pair(/^(\d+)\s+(\S+)/.exec(line))),
    // `fe80… 02 40 20 80     eth0`, the number in hexadecimal.
    ...ipv6.flatMap((line) => {
      const [, number, name] = /^[0-9a-f]{32} ([0-9a-f]+) .* (\S+)$/.exec(line) ?? [];
      return number === undefined || name === undefined ? [] : [[String(Number.parseInt(number, 16)), name] as const];
    }),
  ]);
}

function pair(match: RegExpExecArray | null): [string, string][] {
  const [, number, name] = match ?? [];
  return number === undefined || name === undefined ? [] : [[number, name]];
}
