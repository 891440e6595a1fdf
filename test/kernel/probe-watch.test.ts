/** Rules that are watched on real tables: each change once, with a time that is true; nothing is read where nothing of the Service's changed. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { iptablesChainNames, nftablesChainNames, type ServicePortId } from '../../core/kube-proxy/chain-names.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import { recordedServices } from '../support/recorded-services.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';
import { stepsSchema, type Scenario } from './watch-rules.ts';

const unavailable = kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi', 'nft', 'perl', 'setpriv']);
const program = `${process.execPath} ${fileURLToPath(new URL('watch-rules.ts', import.meta.url))}`;
const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/rulesets/${name}`, import.meta.url), 'utf8').replace(/^.*-m nfacct.*\n/gm, '');
const load = (command: string, rules: string): string => `${command} <<'RULES'\n${rules}\nRULES`;

const recorded = (name: string): ProbeRequestService =>
  recordedServices.find((each) => each.name === name) ?? expect.fail(`${name} was not recorded`);
const service = recorded('auth-service');
const other = recorded('node-port');
const portOf = ({ namespace, name, ports: [port] }: ProbeRequestService): ServicePortId => ({
  namespace,
  name,
  portName: port?.name,
  protocol: 'TCP',
});
const iptablesChain = (of: ProbeRequestService): string => iptablesChainNames(portOf(of)).cluster;
const nftChain = (of: ProbeRequestService): string => nftablesChainNames(portOf(of)).cluster;

interface Backend {
  readonly loading: string;
  /** A shell command that adds a rule with this comment to the Service's chain, and one that takes it away. */
  readonly add: (of: ProbeRequestService, comment: string) => string;
  readonly remove: (of: ProbeRequestService, comment: string) => string;
  /** Writes what is there again, in one transaction. */
  readonly again: string;
  /** More than the kernel keeps for one who does not read. */
  readonly flood: string;
}

const iptables = (tool: string, of: ProbeRequestService, flag: string, comment: string): string =>
  `${tool} -t nat ${flag} ${iptablesChain(of)} -m comment --comment ${comment} -j RETURN`;

const nftables: Backend = {
  loading: load('nft -f -', /^table ip kube-proxy \{$.*?^\}$/ms.exec(fixture('nftables.txt'))?.[0] ?? ''),
  add: (of, comment) => `nft add rule ip kube-proxy ${nftChain(of)} counter comment '"${comment}"'`,
  remove: (of, comment) =>
    `nft delete rule ip kube-proxy ${nftChain(of)} handle $(nft -a list chain ip kube-proxy ${nftChain(of)} | sed -n 's/.*"${comment}".* handle //p')`,
  again: `nft list chain ip kube-proxy ${nftChain(service)} > again; (echo flush chain ip kube-proxy ${nftChain(service)}; cat again) | nft -f -`,
  flood: `nft add table ip other; nft add chain ip other filled; for at in $(seq 60000); do echo add rule ip other filled ip daddr 198.51.100.1 tcp dport 80 counter comment '"as long as a comment may be, so that it fills the buffer of who does not read it, which is large"'; done | nft -f -; nft delete table ip other`,
};

const nft: Backend = {
  loading: load('iptables-nft-restore -c', fixture('iptables-nft.txt')),
  add: (of, comment) => iptables('iptables-nft', of, '-A', comment),
  remove: (of, comment) => iptables('iptables-nft', of, '-D', comment),
  again: `iptables-nft-save -t nat | sed -n -e '/^\\*/p' -e '/^:KUBE-SERVICES/p' -e '/^:KUBE-SVC/p' -e '/^-A KUBE-SERVICES/p' -e '/^-A KUBE-SVC/p' -e '/^COMMIT/p' | iptables-nft-restore --noflush`,
  flood: nftables.flood,
};

/** @param prefix of the command that watches */
async function watchIn({ loading }: Backend, steps: Scenario['steps'], prefix = '') {
  const output = await inNamespace(
    `cd $(mktemp -d); ip link set lo up\n${loading}\n${prefix} ${program}`,
    JSON.stringify({ service, steps }),
    240_000,
  );
  const offset = z.object({ milliseconds: z.number(), uncertainty: z.number() });
  return z.object({ steps: stepsSchema, offset }).parse(JSON.parse(output));
}

for (const [name, backend] of [
  ['nftables', nftables],
  ['iptables on nf_tables', nft],
] as const)
  it(`reports each change of a Service's rules in ${name} once, with its time, and reads nothing for others`, async ({
    skip,
  }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const { steps, offset } = await watchIn(backend, [
      { name: 'own', script: backend.add(service, 'one'), until: 1, quiet: 700 },
      { name: 'other', script: `${backend.add(other, 'two')}; ${backend.remove(other, 'two')}`, quiet: 700 },
      { name: 'again', script: backend.again, quiet: 700 },
      {
        name: 'many',
        script: Array.from({ length: 200 }, (_, at) => backend.add(service, `quick${String(at)}`)).join('\n'),
        until: 200,
        quiet: 2000,
      },
      { name: 'flood', script: backend.flood, helper: 'stopped', until: 1, quiet: 3000 },
      {
        name: 'undone',
        script: `${backend.add(service, 'last')}; ${backend.remove(service, 'last')}`,
        until: 2,
        quiet: 1000,
      },
      { name: 'killed', script: '', helper: 'killed', quiet: 3000 },
      { name: 'after', script: backend.add(service, 'after'), until: 1, quiet: 1000 },
    ]);
    const of = (step: string) => steps[step] ?? expect.fail(`no step ${step}`);
    expect(Object.values(steps).flatMap(({ unwatched }) => unwatched)).toHaveLength(1);

    const [first, ...none] = of('first').records;
    expect(none).toEqual([]);
    expect(first).toMatchObject({
      service: 'default/auth-service',
      changes: [],
      hasLost: false,
      isSettled: true,
      polled: [],
    });
    expect(JSON.stringify(first?.records)).toContain('10.244.');

    const { records, began, ended, askedBytes } = of('own');
    expect(askedBytes).toBeGreaterThan(0);
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ omitted: 0, hasLost: false, isSettled: true });
    expect(JSON.stringify(records[0]?.records)).toContain('one');
    expect(records[0]?.changes).toHaveLength(1);
    const [change] = records[0]?.changes ?? [];
    expect(change?.latest).toBeGreaterThanOrEqual(began);
    expect(change?.earliest).toBeLessThanOrEqual(ended + 1);
    expect(change?.earliest).toBeLessThan(change?.latest ?? 0);
    expect(change?.program).toMatch(/^(?:nft|iptables-nft)$/);

    expect(of('other')).toMatchObject({ records: [], askedBytes: 0 });
    expect(of('again').records).toEqual([]);

    const many = of('many').records;
    const changes = many.flatMap((record) => record.changes);
    expect(changes).toHaveLength(200);
    expect(many.map(({ omitted }) => omitted).every((count) => count === 0)).toBe(true);
    expect(new Set(changes.map(({ generation }) => generation)).size).toBe(200);
    expect(changes.map(({ latest }) => latest)).toEqual(
      changes.map(({ latest }) => latest).sort((one, next) => one - next),
    );
    expect(JSON.stringify(many.at(-1)?.records)).toContain('quick199');

    const [lost] = of('flood').records;
    expect(lost).toMatchObject({ hasLost: true, isSettled: true });
    expect(JSON.stringify(lost?.records)).toContain('quick199');

    expect(of('undone').records.flatMap((record) => record.changes)).toHaveLength(2);
    expect(JSON.stringify(of('undone').records.at(-1)?.records)).not.toContain('last');

    expect(of('killed').unwatched[0]).toContain('perl');
    expect(of('killed').records).toMatchObject([{ changes: [], isSettled: true }]);
    expect(of('after').records.flatMap((record) => record.changes)).toHaveLength(1);
    expect(Math.abs(offset.milliseconds)).toBeLessThanOrEqual(offset.uncertainty);
  }, 300_000);

it('finds changes of the legacy tables by asking, and says between which questions they were', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const legacy: Backend = {
    ...nft,
    loading: load('iptables-legacy-restore -c', fixture('iptables-legacy.txt')),
    add: (of, comment) => iptables('iptables-legacy', of, '-A', comment),
    remove: (of, comment) => iptables('iptables-legacy', of, '-D', comment),
  };
  const { steps } = await watchIn(legacy, [
    { name: 'own', script: legacy.add(service, 'one'), until: 1, quiet: 2000 },
    { name: 'other', script: legacy.add(other, 'two'), quiet: 3000 },
    { name: 'counters', script: 'iptables-legacy -t nat -Z', quiet: 3000 },
    // The table stays as large as it was.
    {
      name: 'replaced',
      script: `iptables-legacy -t nat -R ${iptablesChain(service)} 5 -m comment --comment two -j RETURN`,
      isExpecting: true,
      until: 1,
      quiet: 1000,
    },
  ]);
  const of = (step: string) => steps[step] ?? expect.fail(`no step ${step}`);
  expect(of('first').records).toMatchObject([{ changes: [], polled: ['legacy'] }]);
  for (const step of ['own', 'replaced']) {
    const { records, began, ended } = of(step);
    const changes = records.flatMap((record) => record.changes);
    expect(changes, step).toHaveLength(1);
    expect(changes[0]?.earliest).toBeLessThanOrEqual(ended + 1);
    expect(changes[0]?.latest).toBeGreaterThanOrEqual(began);
    expect(changes[0]?.monotonic).toBeUndefined();
    // The question found it, before anything was read; such a moment is given as the end of its millisecond.
    expect(changes[0]?.latest).toBeLessThanOrEqual((records[0]?.read.began ?? 0) + 1);
  }
  expect(JSON.stringify(of('replaced').records[0]?.records)).toContain('two');
  expect(of('other').records).toEqual([]);
  expect(of('counters').records).toEqual([]);
}, 300_000);

const withOnly = (capability: string): string => `setpriv --inh-caps=-all --bounding-set=-all,+${capability}`;

it('hears of changes with NET_ADMIN alone, and without it says why nothing is watched', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const { steps } = await watchIn(
    nftables,
    [{ name: 'own', script: nftables.add(service, 'one'), until: 1, quiet: 700 }],
    withOnly('net_admin'),
  );
  expect(steps['first']).toMatchObject({ records: [{ changes: [], isSettled: true }], unwatched: [] });
  expect(steps['own']).toMatchObject({ records: [{ hasLost: false, isSettled: true }], unwatched: [] });
  expect(steps['own']?.records[0]?.changes).toHaveLength(1);
  expect(JSON.stringify(steps['own']?.records[0]?.records)).toContain('one');
  const without = await watchIn(nftables, [], withOnly('net_raw'));
  expect(without.steps['first']).toMatchObject({
    records: [],
    unwatched: ['what the kernel reports of its rules cannot be read: netlink group: Operation not permitted'],
  });
}, 300_000);
