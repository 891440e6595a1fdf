/** The chains of a node's program, in the words of the model. */
import { oncePer, oncePerAll } from '../lib/once-per.ts';
import { ipvsChainName, ipvsTable, mapChainName } from '../api/chain-name.ts';
import { realServerText } from '../evaluate/walk-ipvs.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import type { Family } from '../net/family.ts';
import type { IptablesBackend } from '../kube-proxy/mode.ts';
import { iptablesRuleText } from '../iptables/print.ts';
import { recordsOf, type NodeReport } from '../wire/node-report.ts';
import type { NodeProgram, ProgramChain, ProgramRule } from './program.ts';
import { rulesOfRecord, virtualServers } from './read-node-report.ts';
import { parseNftMapElements } from '../nftables/map-elements.ts';
import { parseNftRules } from '../nftables/parse-json-rule.ts';
import { printNftVerdict, printNftRule } from '../nftables/print.ts';
import { hashText } from '../kube-proxy/chain-names.ts';

/** Virtual servers with their real servers, as chains: what a packet meets there instead of rules. */
export function ipvsChains(report: NodeReport, service: string): ProgramChain[] {
  return (['IPv4', 'IPv6'] as const).flatMap((family) =>
    virtualServers(report, service, family).map((server): ProgramChain => {
      const [table, chain] = [ipvsTable, ipvsChainName(server)];
      return {
        family,
        table,
        name: chain,
        rules: server.realServers.map((real): ProgramRule => ({
          family,
          table,
          chain,
          text: realServerText(real),
          ...(real.stats === undefined
            ? {}
            : { counters: { packets: real.stats.connections, bytes: real.stats.inBytes } }),
        })),
      };
    }),
  );
}

export function iptablesProgramChains(
  report: NodeReport,
  service: string,
  backend: IptablesBackend | undefined,
): ProgramChain[] {
  return recordsOf(report, 'iptablesChain')
    .filter(
      (record) => record.service === service && record.backend === backend && !record.absent && record.lines.length > 0,
    )
    .map((record) => iptablesChainOf(rulesOfRecord(record), record.family, record.table, record.chain));
}

/** Nodes that have the same chain share it. */
const iptablesChainOf = oncePerAll(
  (rules: readonly IptablesRule[], family: Family, table: string, chain: string): ProgramChain => ({
    family,
    table,
    name: chain,
    rules: rules.map((rule): ProgramRule => ({
      family,
      table,
      chain,
      text: iptablesRuleText(rule),
      ...(rule.counters === undefined ? {} : { counters: rule.counters }),
    })),
  }),
);

/** Maps whose elements of the Service belong to its program; the sets hold what differs from node to node. */
export const programMaps = new Set([
  'service-ips',
  'service-nodeports',
  'no-endpoint-services',
  'no-endpoint-nodeports',
  'firewall-ips',
]);

export function nftChains(report: NodeReport, service: string): ProgramChain[] {
  const maps = recordsOf(report, 'nftElements')
    .filter((record) => record.service === service && programMaps.has(record.name) && record.elements.length > 0)
    .map(({ family, table, name, elements }): ProgramChain => ({
      family,
      table,
      name: mapChainName(name),
      rules: parseNftMapElements(elements).map(({ key, verdict }) => ({
        family,
        table,
        chain: mapChainName(name),
        text: `${key.join(' . ')} : ${printNftVerdict(verdict)}`,
      })),
    }));
  const chains = recordsOf(report, 'nftChain')
    .filter((record) => record.service === service && !record.absent)
    .map(({ family, table, chain, objects }): ProgramChain => ({
      family,
      table,
      name: chain,
      rules: parseNftRules(objects).map((rule) => {
        const counter = rule.statements.find((statement) => statement.kind === 'counter');
        const isCounted = counter?.packets !== undefined && counter.bytes !== undefined;
        return {
          family,
          table,
          chain,
          text: printNftRule(rule),
          ...(isCounted ? { counters: { packets: counter.packets, bytes: counter.bytes } } : {}),
        };
      }),
    }));
  return [...maps, ...chains].filter(({ rules }) => rules.length > 0);
}

/** Both families are read at the same time; IPv4 is shown first. */
export function byFamily(chains: readonly ProgramChain[]): ProgramChain[] {
  return [...chains.filter(({ family }) => family === 'IPv4'), ...chains.filter(({ family }) => family === 'IPv6')];
}

/**
 * A short hash of the program without its counters: nodes with the same one do the same for the Service. What
 * KUBE-SERVICES does stands in the verdicts of the frontends, for the chain itself is not always listed.
 */
export const fingerprintOf = oncePer((program: NodeProgram): string => {
  const head = [
    program.proxyMode,
    program.backend ?? '',
    ...program.frontends.map(({ family, frontend, address, protocol, port, verdict }) =>
      [family, frontend, address, protocol, port, verdict].join(' '),
    ),
  ].join('\n');
  const chains = program.chains.filter(({ table, name }) => table !== 'nat' || name !== 'KUBE-SERVICES');
  const known = chains[0] === undefined ? [] : hashedFrom(chains[0]);
  const same = known.find(
    (each) =>
      each.head === head &&
      each.chains.length === chains.length &&
      each.chains.every((chain, index) => chain === chains[index]),
  );
  if (same !== undefined) return same.fingerprint;
  const text = [
    head,
    ...chains.flatMap(({ family, table, name, rules }) => [
      `${family} ${table} ${name}`,
      ...rules.map((rule) => rule.text),
    ]),
  ].join('\n');
  const fingerprint = hashText(text).slice(0, 10).toLowerCase();
  known.push({ head, chains, fingerprint });
  return fingerprint;
});

interface HashedProgram {
  readonly head: string;
  readonly chains: readonly ProgramChain[];
  readonly fingerprint: string;
}

/** Programs that begin with the chain: nodes that have the same chains share them. */
const hashedFrom = oncePer((_first: ProgramChain): HashedProgram[] => []);
