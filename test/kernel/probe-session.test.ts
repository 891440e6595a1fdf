/** A session with the real probe on real tables: what is read in it is what a process of its own reads, whatever dies in between. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import { recordedServices, serviceWithoutEndpoints } from '../support/recorded-services.ts';
import { answersSchema, type SessionAnswers } from './ask-session.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi', 'nft', 'perl']);
const program = `${process.execPath} ${fileURLToPath(new URL('ask-session.ts', import.meta.url))}`;
const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/rulesets/${name}`, import.meta.url), 'utf8').replace(/^.*-m nfacct.*\n/gm, '');
const nftTable = (): string => /^table ip kube-proxy \{$.*?^\}$/ms.exec(fixture('nftables.txt'))?.[0] ?? '';
const load = (command: string, rules: string): string => `${command} <<'RULES'\n${rules}\nRULES`;

/** One with several Services, and one for each of them. */
const requests: ProbeRequest[] = [
  [...recordedServices, serviceWithoutEndpoints],
  ...[...recordedServices.slice(0, 2), serviceWithoutEndpoints].map((service) => [service]),
].map((services) => ({
  version: 1,
  node: 'test',
  services,
  collect: { rules: true, conntrack: 'None', kubeProxy: true, dispatch: 'Rules' },
  maxConntrackEntries: 0,
}));

async function askIn(loading: string): Promise<SessionAnswers> {
  const output = await inNamespace(
    // As in probe-dispatch.test.ts: no packet of the probe counts in a rule.
    `echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link add node type veth peer name wire; ip address add 172.30.0.12/32 dev node; ip link set wire up; ip link set node up\n${loading}\n${program}`,
    JSON.stringify(requests),
    120_000,
  );
  return answersSchema.parse(JSON.parse(output));
}

for (const [backend, loading] of [
  ['iptables on nf_tables', load('iptables-nft-restore -c', fixture('iptables-nft.txt'))],
  ['iptables on legacy tables', load('iptables-legacy-restore -c', fixture('iptables-legacy.txt'))],
  ['nftables', load('nft -f -', nftTable())],
] as const)
  it(`reads ${backend} in a session as without, for many at once, and after what it needs was killed`, async ({
    skip,
  }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const answers = await askIn(loading);
    const { once } = answers;
    expect(once).toHaveLength(requests.length);
    expect(JSON.stringify(once)).toContain(recordedServices[0]?.clusterIPs[0]);
    expect(once.flat().filter((record) => String(record).startsWith('{"kind":"unread"'))).toEqual([]);
    expect(answers.session).toEqual(once);
    expect(answers.together).toEqual(answers.together.map((_, index) => once[index % once.length]));
    expect(answers.afterKilledHelper).toEqual(once);
    expect(answers.afterStoppedHelper).toEqual(once);
    expect(answers.afterKilledProbe).toEqual(once);
    expect(answers.processes, 'the killed one and one more').toBe(2);
    expect(answers.helpers).toEqual({ atFirst: 1, reused: true });
    expect(answers.late).toMatch(/^its probe did not (?:answer within 3 s|finish in time)$/);
    expect(answers.isStoppedHelperGone).toBe(true);
    expect(answers.left, 'processes of the probe after the session').toEqual([]);
  }, 150_000);
