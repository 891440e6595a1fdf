import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const ruleNodePortTaken: FindingKind = {
  id: 'RULE-NODEPORT-TAKEN',
  topic: 'rules',
  severity: 'warning',
  condition:
    "A program of the node listens on one of the Service's node ports, on an address that others reach: kube-proxy's rules take its packets away from it, or where they are missing, it answers in the Service's place.",
  notReported: 'Sockets on the loopback interface, of which kube-proxy has some itself; the healthCheckNodePort.',
  source: 'common knowledge: DNAT comes before the look-up of a socket; pkg/proxy/localnodeportproxy (1.37)',
  find: ({ desired, nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const taken = (read?.sockets?.listening ?? []).filter(
        ({ protocol, address, port }) =>
          !/^(127\.|::1$)/.test(address) &&
          desired.service.ports.some((own) => own.nodePort === port && own.protocol === protocol),
      );
      if (taken.length === 0) return [];
      return [
        onNode(node, {
          message: `A program on ${node} listens on ${taken.map(({ port, protocol }) => `${port}/${protocol}`).join(', ')}, a node port of the Service.`,
          evidence: taken.map(
            ({ protocol, address, port, uid }) => `${protocol} socket on ${address} port ${port}, of user ${uid}`,
          ),
          advice: `The list of listening sockets on ${node} names the program. Give it, or the Service, another port.`,
          commands: [shellOn(node, 'ss', '-lntup', `sport = :${String(taken[0]?.port ?? 0)}`)],
        }),
      ];
    }),
};
