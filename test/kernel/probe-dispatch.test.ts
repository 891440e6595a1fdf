/** The two readings of the dispatch chain of iptables, against real tables: both see the same, and neither is fooled. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { buildNodeProgram } from '../../core/program/node-program.ts';
import { parseNodeReport, recordsOf, type NodeReport } from '../../core/wire/node-report.ts';
import type { NodeProgram } from '../../core/program/program.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { DesiredService } from '../../core/api/service.ts';
import { recordedServices, serviceWithoutEndpoints } from '../support/recorded-services.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi', 'nft']);
const probe = `${process.execPath} ${fileURLToPath(new URL('../../probe/main.ts', import.meta.url))}`;
const services = [...recordedServices, serviceWithoutEndpoints];
/** What a real kube-proxy wrote; the match nfacct is not in every kernel. */
const recorded = readFileSync(new URL('../fixtures/rulesets/iptables-nft.txt', import.meta.url), 'utf8').replace(
  /^.*-m nfacct.*\n/gm,
  '',
);
const recordedNft = (): string => {
  const text = readFileSync(new URL('../fixtures/rulesets/nftables.txt', import.meta.url), 'utf8');
  return /^table ip kube-proxy \{$.*?^\}$/ms.exec(text)?.[0] ?? '';
};
const auth = recordedServices.filter(({ name }) => name === 'auth-service');
const clusterChain = 'KUBE-SVC-FCQA5OQTFYIPVXUO';

function desired(service: ProbeRequestService): DesiredService {
  const { namespace, name, clusterIPs, externalIPs, loadBalancerIPs, ports } = service;
  const described = ports.map(({ name: portName, protocol, port, nodePort }) => ({
    protocol,
    port,
    ...(portName === undefined ? {} : { name: portName }),
    ...(nodePort === undefined ? {} : { nodePort }),
  }));
  return {
    namespace,
    name,
    service: { type: 'ClusterIP', clusterIPs, externalIPs, loadBalancerIPs, ports: described },
    endpointSlices: [],
  };
}

/** Without the time that elements of sets have left. */
const dumps =
  'nft list ruleset | sed "s/ expires [0-9a-z]*//"; if grep -q nat /proc/net/ip_tables_names; then iptables-legacy-save -c -t nat | sed -e "/^#/d" -e "/^:/s/ .*//"; fi';

/** Loads rules, and runs the probe once for each kind of reading; no table may be another one after it. */
async function readBoth(
  load: string,
  asked: readonly ProbeRequestService[],
): Promise<{ rules: NodeReport; references: NodeReport }> {
  const request = (dispatch: string): string =>
    JSON.stringify({
      version: 1,
      node: 'test',
      services: asked,
      collect: { rules: true, conntrack: 'None', kubeProxy: false, dispatch },
      maxConntrackEntries: 0,
    });
  const output = await inNamespace(
    // The node's own address, on which the recorded NodePorts were served. The loopback interface stays down: packets
    // of the probe to kube-proxy would count in the recorded rules, as would the kernel's own of IPv6.
    `echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link add node type veth peer name wire; ip address add 172.30.0.12/32 dev node; ip link set wire up; ip link set node up\n${load}\n{ ${dumps}; }\n${['Rules', 'References'].map((dispatch) => `echo '=== part'\n${probe} <<'REQUEST'\n${request(dispatch)}\nREQUEST\n`).join('')}echo '=== part'\n{ ${dumps}; }`,
  );
  const [before = '', rules = '', references = '', after = ''] = output.split('=== part\n');
  expect(after.trim()).toBe(before.trim());
  return { rules: parseNodeReport(rules), references: parseNodeReport(references) };
}

const load = (command: string, text: string): string => `${command} <<'RULES'\n${text}\nRULES`;
const loadNft = (text = recorded, more = ''): string => `${load('iptables-nft-restore -c', text)}\n${more}`;

function kernelTest(name: string, test: () => Promise<void>): void {
  it(name, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    await test();
  });
}

/** What the frontends do, without the counters and comments of the rules that were not read. */
function frontends({ frontends: all }: NodeProgram): unknown {
  return JSON.parse(
    JSON.stringify(all.map(({ counters: _, ...rest }) => rest)).replaceAll(/-m comment --comment \\".*?\\" /g, ''),
  );
}

function proven(report: NodeReport): string[] {
  return recordsOf(report, 'dispatchReferences').map(({ service }) => service);
}

kernelTest(
  'both ways see the same of ten Services in one pass, and only the doubtful one costs the dispatch chain',
  async () => {
    const { rules, references } = await readBoth(loadNft(), services);
    expect([...recordsOf(rules, 'unread'), ...recordsOf(references, 'unread')]).toEqual([]);
    expect(proven(rules)).toEqual([]);
    expect(proven(references)).toEqual(recordedServices.map(({ namespace, name }) => `${namespace}/${name}`));
    for (const service of services) {
      const [exact, fast] = [buildNodeProgram(rules, desired(service)), buildNodeProgram(references, desired(service))];
      expect(fast.unrecognized).toEqual(exact.unrecognized);
      expect(frontends(fast), service.name).toEqual(frontends(exact));
      expect(exact.frontends[0]?.verdict).toBe(service === serviceWithoutEndpoints ? 'REJECT' : 'DNAT');
      const own = (program: NodeProgram): string[] =>
        program.chains
          .filter(({ name }) => /^KUBE-(SVC|SVL|EXT|FW|SEP)-/.test(name))
          .map(({ name, rules: lines }) => `${name} ${JSON.stringify(lines)}`)
          .sort();
      expect(own(fast)).toEqual(own(exact));
    }
    const [authService] = auth;
    if (authService === undefined) throw new Error('the recorded Services lack auth-service');
    const counters = (report: NodeReport): unknown =>
      buildNodeProgram(report, desired(authService)).frontends[0]?.counters;
    expect(counters(rules)).toEqual({ packets: 15, bytes: 900 });
    // Not read is not zero.
    expect(counters(references)).toBeUndefined();
  },
);

kernelTest('counts of references notice a dispatch rule that is missing', async () => {
  const { references } = await readBoth(
    loadNft(recorded.replace(/^.*-A KUBE-SERVICES .*KUBE-SVC-FCQA5OQTFYIPVXUO\n/m, '')),
    auth,
  );
  expect(proven(references)).toEqual([]);
  expect(auth.map((service) => buildNodeProgram(references, desired(service)).frontends[0]?.verdict)).toEqual(['None']);
  expect(recordsOf(references, 'iptablesChain').find(({ chain }) => chain === clusterChain)?.absent).toBe(false);
});

kernelTest('counts of references notice one rule too many, and the listing shows it', async () => {
  const extra = `iptables-nft -t nat -I KUBE-SERVICES -d 10.96.0.99/32 -p tcp -m tcp --dport 80 -j ${clusterChain}`;
  const { references } = await readBoth(loadNft(recorded, extra), auth);
  expect(proven(references)).toEqual([]);
  const shown = recordsOf(references, 'iptablesChain').find(
    ({ table, chain }) => table === 'nat' && chain === 'KUBE-SERVICES',
  );
  expect(shown?.lines.filter((line) => line.includes(clusterChain)).length).toBe(2);
});

kernelTest('no count proves anything where nothing jumps to KUBE-SERVICES', async () => {
  const { references } = await readBoth(loadNft(recorded, 'iptables-nft -t nat -F PREROUTING'), auth);
  expect(proven(references)).toEqual([]);
  expect(auth.map((service) => buildNodeProgram(references, desired(service)).frontends[0]?.verdict)).toEqual(['None']);
});

const renamed = recorded
  .replaceAll(clusterChain, 'KUBE-SVC-OFANOTHERHASH')
  .replaceAll('KUBE-SEP-BDEJBKACXWFLVVD6', 'MY-ENDPOINT');

kernelTest('chains of names that cannot be computed are found by what jumps to them', async () => {
  const { rules, references } = await readBoth(loadNft(renamed), auth);
  for (const report of [rules, references]) {
    expect(recordsOf(report, 'unread')).toEqual([]);
    expect(auth.map((service) => buildNodeProgram(report, desired(service)).frontends[0]?.dnatTargets.length)).toEqual([
      3,
    ]);
  }
});

kernelTest(
  'the legacy tables are read in one pass for all Services, and in a second for endpoints without comments',
  async () => {
    const { rules } = await readBoth(load('iptables-legacy-restore -c', recorded), services);
    const nft = (await readBoth(loadNft(), services)).rules;
    for (const service of services)
      expect(frontends(buildNodeProgram(rules, desired(service)))).toEqual(
        frontends(buildNodeProgram(nft, desired(service))),
      );
    const silent = renamed.replace(/^(.*-A (?:KUBE-SEP-\S+|MY-ENDPOINT) .*)-m comment --comment "[^"]*" /gm, '$1');
    expect(silent).not.toBe(renamed);
    const again = (await readBoth(load('iptables-legacy-restore -c', silent), auth)).rules;
    expect(auth.map((service) => buildNodeProgram(again, desired(service)).frontends[0]?.dnatTargets.length)).toEqual([
      3,
    ]);
  },
);

kernelTest('the nftables mode is read in one listing for all Services, whatever its chains are called', async () => {
  const asIs = (await readBoth(load('nft -f -', recordedNft()), services)).rules;
  expect(recordsOf(asIs, 'unread')).toEqual([]);
  for (const service of services) {
    const program = buildNodeProgram(asIs, desired(service));
    expect(
      program.frontends.map(({ verdict }) => verdict),
      service.name,
    ).not.toContain('Unknown');
    expect(program.frontends[0]?.verdict, service.name).toBe(
      service === serviceWithoutEndpoints ? 'REJECT' : service.name === 'internal-local' ? 'DROP' : 'DNAT',
    );
  }
  const other = (await readBoth(load('nft -f -', recordedNft().replaceAll('HJCL7P3U', 'OLDERKIND')), auth)).rules;
  expect(auth.map((service) => buildNodeProgram(other, desired(service)).frontends[0]?.dnatTargets.length)).toEqual([
    3,
  ]);
});

kernelTest('IPv6 is read by both ways as well', async () => {
  const recorded6 = readFileSync(new URL('../fixtures/rulesets/ip6tables-nft.txt', import.meta.url), 'utf8').replace(
    /^.*-m nfacct.*\n/gm,
    '',
  );
  // Written differently from how the kernel prints it.
  const dual = auth.map((service) => ({ ...service, clusterIPs: ['fd00:10:96:0::ED42'] }));
  const { rules, references } = await readBoth(load('ip6tables-nft-restore -c', recorded6), dual);
  expect([...recordsOf(rules, 'unread'), ...recordsOf(references, 'unread')]).toEqual([]);
  expect(proven(references)).toEqual(['default/auth-service']);
  for (const service of dual) {
    const exact = frontends(buildNodeProgram(rules, desired(service)));
    expect(exact).toMatchObject([{ verdict: 'DNAT', dnatTargets: [{ port: 8080 }, { port: 8080 }, { port: 8080 }] }]);
    expect(frontends(buildNodeProgram(references, desired(service)))).toEqual(exact);
  }
});
