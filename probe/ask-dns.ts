/** Asks the cluster's DNS for a Service's names, from the node: through the DNS Service, and each of its servers directly. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isNotUnderstood, isWord } from '../core/dns/answers.ts';
import type { RecordOf } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import type { Emit } from './io/emit.ts';
import { queryDns, type DnsReply } from './query-dns.ts';
import pLimit from 'p-limit';

type DnsRequest = NonNullable<ProbeRequest['collect']['dns']>;
type Server = Pick<RecordOf<'dnsAnswer'>, 'server' | 'port' | 'role'>;

/** Questions to one server at the same time. */
const maxConcurrent = 64;

/** Emits a record for each question to each server; a server that does not answer the first is asked nothing more. */
export async function askDns(request: DnsRequest, services: readonly string[], emit: Emit): Promise<void> {
  const servers: Server[] = [
    ...request.servers.map((server): Server => ({ server, port: 53, role: 'Service' })),
    ...request.endpoints.map(({ address, port }): Server => ({ server: address, port, role: 'Endpoint' })),
  ];
  await Promise.all([...servers.map((server) => askServer(server, request, services, emit)), readResolvConf(emit)]);
}

async function askServer(
  server: Server,
  { health, questions }: DnsRequest,
  services: readonly string[],
  emit: Emit,
): Promise<void> {
  const ask = async (question: DnsRequest['health']): Promise<Omit<RecordOf<'dnsAnswer'>, 'kind' | 'service'>> => {
    const began = performance.now();
    const query = (): Promise<DnsReply> => queryDns({ address: server.server, port: server.port }, question);
    let reply = await query();
    if (mayPass(reply)) {
      await sleep(againMilliseconds);
      reply = await query();
    }
    return {
      ...server,
      name: question.name,
      type: question.type,
      ...reply,
      milliseconds: Math.round((performance.now() - began) * 10) / 10,
    };
  };
  const healthy = await ask(health);
  for (const service of services) emit({ kind: 'dnsAnswer', service, ...healthy });
  if (healthy.error !== undefined) return;
  const asked = server.role === 'Service' ? questions : questions.filter(({ type }) => type !== 'SRV');
  const limit = pLimit(maxConcurrent);
  await Promise.all(
    asked.map(({ service, name, type }) =>
      limit(async () => {
        emit({ kind: 'dnsAnswer', service, ...(await ask({ name, type })) });
      }),
    ),
  );
}

/** A server that starts or ends refuses, or fails, for a moment. One that does not answer was asked several times already. */
const againMilliseconds = 1000;

function mayPass({ error, responseCode }: DnsReply): boolean {
  if (error !== undefined) return error !== 'ETIMEOUT';
  const answer = responseCode === undefined ? {} : { responseCode };
  return !isWord(answer) && !isNotUnderstood(answer);
}

async function readResolvConf(emit: Emit): Promise<void> {
  try {
    emit({ kind: 'resolvConf', text: (await readFile('/etc/resolv.conf', 'utf8')).slice(0, 4096) });
  } catch (error) {
    emit({
      kind: 'unread',
      part: 'other',
      what: "the node's resolv.conf",
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}
