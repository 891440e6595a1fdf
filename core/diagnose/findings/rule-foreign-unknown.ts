import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { checkNode } from '../checks/node-check.ts';
import { onNodesAlike, type OnOneNode } from '../checks/on-nodes-alike.ts';

export const ruleForeignUnknown: FindingKind = {
  id: 'RULE-FOREIGN-UNKNOWN',
  topic: 'rules',
  severity: 'info',
  isLasting: true,
  condition:
    'A third-party rule may stop or divert packets of the Service: it depends on what is not known of them (an interface, a set, a limit, the order of two tables), or on rules that were not read.',
  notReported:
    'Where the packet comes through either way; interfaces that are bridges of neither pods nor nodes (docker0), by which packets of Services do not go; a node of which RULE-FOREIGN is found.',
  source: 'this project: unknown is never shown as healthy',
  find: ({ desired, nodes, cluster }) => {
    const found = nodes.flatMap((facts): OnOneNode[] => {
      const check = checkNode(facts, desired, cluster);
      const all = check?.frontends.flatMap(({ foreign }) => foreign) ?? [];
      if (all.some(({ unless }) => unless.length === 0)) return [];
      const unread = check?.foreignUnread ?? [];
      const rules = [...Map.groupBy(all, ({ rule }) => rule)];
      if (rules.length + unread.length === 0) return [];
      const [first] = all;
      const reason =
        first === undefined
          ? `not all of them was read and understood: ${unread.slice(0, 3).join('; ')}`
          : `${first.rule}${rules.length > 1 ? ` and ${String(rules.length - 1)} more` : ''} may act on packets of ${first.client} to ${frontendText(first.frontend)}`;
      return [
        {
          node: facts.node,
          reason,
          evidence: [
            ...rules
              .slice(0, 5)
              .flatMap(([rule, each]) => [
                rule,
                ...(each[0]?.unless ?? []).slice(0, 3).map((text) => `not known: ${text}`),
              ]),
            ...unread.slice(0, 5),
          ],
        },
      ];
    });
    return onNodesAlike(found, (who, reason) => ({
      message: `Whether third-party rules on ${who} let the Service's packets through is not known: ${reason}.`,
      advice: 'The active check (--connect) shows whether packets get through. Or read the rules there.',
      commands: [kubectl('svctrace', desired.name, '-n', desired.namespace, '--connect')],
    }));
  },
};
