/**
 * `npm run bench`: what reading one Service's rules costs on a node, against what people do by hand,
 * `iptables-save -c -t nat | grep NAMESPACE/NAME`, in the same run. Prints medians and their ratio. Needs root and the
 * iptables package; the rules are loaded into a network namespace that goes with the process.
 * `npm run bench -- 100 1000 5000` chooses the numbers of Services, with four endpoints each.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { iptablesChainNames, iptablesEndpointChainName } from '../core/chain-names.ts';
import type { Protocol } from '../core/service.ts';
import { realCommands } from '../probe/commands.ts';
import { readLegacyBackend, readNftBackend } from '../probe/read-iptables.ts';
import { kernelUnavailable } from '../test/kernel/namespace.ts';

const sizes = process.argv.slice(2).filter((word) => /^\d+$/.test(word)).map(Number);
const rounds = 7;
const endpointsOfService = 4;
const tcp: Protocol = 'TCP';
const asked = { namespace: 'default', name: 'service-0', portName: 'http', protocol: tcp };

if (process.env['SVCTRACE_BENCH_NAMESPACE'] === undefined) {
  const unavailable = kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi']);
  if (unavailable !== undefined) {
    process.stderr.write(`The benchmark cannot run here: ${unavailable}.\n`);
    process.exit(1);
  }
  const { status } = spawnSync('unshare', ['--net', process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, SVCTRACE_BENCH_NAMESPACE: '1' },
  });
  process.exit(status ?? 1);
}

function address(service: number): string {
  return `10.${String(100 + (service >> 16))}.${String((service >> 8) & 255)}.${String(service & 255)}`;
}

/** The nat table as kube-proxy writes it for so many Services. */
function ruleset(services: number): string {
  const declared: string[] = [':KUBE-SERVICES - [0:0]', ':KUBE-MARK-MASQ - [0:0]', ':KUBE-POSTROUTING - [0:0]', ':KUBE-NODEPORTS - [0:0]'];
  const rules: string[] = ['-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES'];
  for (let service = 0; service < services; service += 1) {
    const port = { ...asked, name: `service-${String(service)}` };
    const id = `${port.namespace}/${port.name}:${port.portName}`;
    const { cluster } = iptablesChainNames(port);
    declared.push(`:${cluster} - [0:0]`);
    rules.push(`-A KUBE-SERVICES -d ${address(service)}/32 -p tcp -m comment --comment "${id} cluster IP" -m tcp --dport 80 -j ${cluster}`);
    for (let endpoint = 0; endpoint < endpointsOfService; endpoint += 1) {
      const target = `10.244.${String((service * endpointsOfService + endpoint) % 250)}.${String(endpoint + 1)}:8080`;
      const chain = iptablesEndpointChainName(port, `${target}/${String(endpoint)}`);
      const left = endpointsOfService - endpoint;
      declared.push(`:${chain} - [0:0]`);
      rules.push(`-A ${cluster} -m comment --comment "${id} -> ${target}"${left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`} -j ${chain}`);
      rules.push(`-A ${chain} -s ${target.split(':')[0] ?? ''}/32 -m comment --comment "${id}" -j KUBE-MARK-MASQ`);
      rules.push(`-A ${chain} -p tcp -m comment --comment "${id}" -m tcp -j DNAT --to-destination ${target}`);
    }
  }
  return ['*nat', ...declared, ...rules, 'COMMIT', ''].join('\n');
}

async function median(run: () => Promise<void> | void): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const started = process.hrtime.bigint();
    await run();
    times.push(Number(process.hrtime.bigint() - started) / 1e6);
  }
  return times.sort((one, other) => one - other)[Math.floor(rounds / 2)] ?? NaN;
}

const commands = realCommands();
const service = { namespace: asked.namespace, name: asked.name, clusterIPs: [address(0)], externalIPs: [], loadBalancerIPs: [], ports: [{ name: 'http', protocol: tcp, port: 80 }] };
const tables = new Set(['nat']);

process.stdout.write(`backend    Services   by hand (ms)   probe (ms)   by hand / probe   (medians of ${String(rounds)}, ${String(endpointsOfService)} endpoints each)\n`);
for (const size of sizes.length === 0 ? [100, 1000] : sizes) {
  const rules = ruleset(size);
  for (const [backend, suffix, read] of [['nf_tables', 'nft', readNftBackend], ['legacy', 'legacy', readLegacyBackend]] as const) {
    const loaded = spawnSync(`iptables-${suffix}-restore`, { input: rules, encoding: 'utf8' });
    if (loaded.status !== 0) throw new Error(`iptables-${suffix}-restore: ${loaded.stderr}`);
    const byHand = await median(() => {
      const { stdout } = spawnSync('sh', ['-c', `iptables-${suffix}-save -c -t nat | grep -F ${asked.namespace}/${asked.name}:`], { encoding: 'utf8', maxBuffer: 2 ** 28 });
      if (!stdout.includes('DNAT')) throw new Error('the pipeline found no rule');
    });
    const probe = await median(async () => {
      let lines = 0;
      await read(commands, 'IPv4', tables, [service], (record) => {
        if (record.kind === 'iptablesChain') lines += record.lines.length;
      });
      if (lines < 1 + endpointsOfService * 3) throw new Error(`the probe found ${String(lines)} rules`);
    });
    process.stdout.write(`${backend.padEnd(11)}${String(size).padStart(8)}${byHand.toFixed(1).padStart(15)}${probe.toFixed(1).padStart(13)}${(byHand / probe).toFixed(2).padStart(18)}\n`);
    spawnSync(`iptables-${suffix}`, ['-t', 'nat', '-F']);
    spawnSync(`iptables-${suffix}`, ['-t', 'nat', '-X']);
  }
}
