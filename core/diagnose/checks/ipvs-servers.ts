/** The real servers that a node in IPVS mode has for a frontend, whatever their weight. */
import { isSameAddress, isSameTarget } from '../../net/address.ts';
import type { NodeReport } from '../../wire/node-report.ts';
import type { FrontendProgram } from '../../program/program.ts';
import { virtualServers } from '../../program/read-node-report.ts';
import type { DesiredService } from '../../api/service.ts';
import type { RealServer } from '../../ipvs/virtual-server.ts';

/** Of a NodePort, those of each of the node's addresses, each once. */
export function realServersOf(
  report: NodeReport | undefined,
  { namespace, name }: DesiredService,
  { family, frontend, address, port, protocol }: FrontendProgram,
): readonly RealServer[] {
  if (report === undefined) return [];
  const found = virtualServers(report, `${namespace}/${name}`, family)
    .filter(
      (server) =>
        server.port === port &&
        server.protocol === protocol &&
        (frontend === 'NodePort' || (server.address !== undefined && isSameAddress(server.address, address))),
    )
    .flatMap(({ realServers }) => realServers);
  return found.filter((real, index) => found.findIndex((each) => isSameTarget(each, real)) === index);
}

export function realServerOf(
  report: NodeReport | undefined,
  desired: DesiredService,
  frontend: FrontendProgram,
  target: { readonly address: string; readonly port: number },
): RealServer | undefined {
  return realServersOf(report, desired, frontend).find((real) => isSameTarget(real, target));
}
