import type { PodFacts } from '../../api/cluster-facts.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { labelDifferences, labelDistance } from '../checks/nearest-labels.ts';
import { sliceController } from '../checks/pod-endpoints.ts';
import { selectorText } from '../checks/selected-pods.ts';

/** As many pods of different labels are shown. */
const mostShown = 3;

export const svcSelectorNoMatch: FindingKind = {
  id: 'SVC-SELECTOR-NOMATCH',
  topic: 'service',
  severity: 'error',
  condition:
    "The Service's selector matches no pod of its namespace; the pods whose labels are nearest are shown, and a label that is misspelt is named.",
  notReported:
    'Where endpoints come from EndpointSlices that another writer than the EndpointSlice controller keeps; where pods may not be read.',
  source: 'Debug Services, "Does the Service have any EndpointSlices?"',
  find: ({ desired, cluster }) => {
    const selector = desired.service.selector ?? {};
    const asked = selectorText(desired);
    if (cluster?.pods === undefined || asked === '' || desired.service.type === 'ExternalName') return [];
    if (cluster.pods.some(({ selected }) => selected)) return [];
    const managers = new Map(cluster.endpointSlices?.map(({ name, managedBy }) => [name, managedBy]));
    if (
      desired.endpointSlices.some(
        ({ name, endpoints }) => endpoints.length > 0 && managers.get(name) !== sliceController,
      )
    )
      return [];
    const near = nearest(selector, cluster.pods);
    const first = near[0];
    const differences = first === undefined ? [] : labelDifferences(selector, first.labels);
    const typos = differences.flatMap(({ key, value, nearest: label, isTypo }) =>
      isTypo && label !== undefined ? [{ asked: `${key}=${value}`, found: `${label.key}=${label.value}` }] : [],
    );
    // Typos explain the selector only where nothing else keeps the pod out.
    const areTypos = typos.length > 0 && typos.length === differences.length;
    const meant = areTypos && first !== undefined ? meantSelector(selector, first.labels) : undefined;
    return [
      {
        where: `service/${desired.name}`,
        message:
          areTypos && first !== undefined
            ? `The selector ${asked} of Service ${desired.name} matches no pod: it asks for ${typos.map((typo) => typo.asked).join(' and ')}, and pod ${first.name} has ${typos.map((typo) => typo.found).join(' and ')}.`
            : `The selector ${asked} of Service ${desired.name} matches no pod of namespace ${desired.namespace}.`,
        evidence:
          near.length === 0
            ? ['no pod of the namespace has a label with one of these keys or values']
            : near.slice(0, mostShown).map(
                ({ name, labels }) =>
                  `pod ${name}: ${labelDifferences(selector, labels)
                    .map((difference) => differenceText(difference))
                    .join('; ')}`,
              ),
        ...(meant === undefined
          ? {
              advice: 'The list of workloads shows which labels their pods get, and whether any has 0 replicas.',
              commands: [kubectl('-n', desired.namespace, 'get', 'deployments,statefulsets,daemonsets', '-o', 'wide')],
            }
          : {
              advice: 'Correct the selector, or give the pods the label that the Service asks for.',
              commands: [kubectl('-n', desired.namespace, 'set', 'selector', `service/${desired.name}`, meant)],
            }),
      },
    ];
  },
};

/** One pod for each set of labels that differs from the selector in another way, the nearest first. */
function nearest(selector: Readonly<Record<string, string>>, pods: readonly PodFacts[]): PodFacts[] {
  const seen = new Set<string>();
  return pods
    .map((pod) => ({ pod, far: labelDistance(selector, pod.labels) }))
    .sort((one, other) => one.far - other.far || (one.pod.name < other.pod.name ? -1 : 1))
    .flatMap(({ pod }) => {
      const differences = JSON.stringify(labelDifferences(selector, pod.labels));
      if (seen.has(differences)) return [];
      seen.add(differences);
      return [pod];
    });
}

function differenceText({ key, value, nearest: label }: ReturnType<typeof labelDifferences>[number]): string {
  return label === undefined
    ? `it has no label ${key}, which is to be ${value}`
    : `it has ${label.key}=${label.value} instead of ${key}=${value}`;
}

/** The selector with the pod's own labels in the place of those that are misspelt, as kubectl set selector takes it. */
function meantSelector(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): string {
  const differences = new Map(
    labelDifferences(selector, labels).map((difference) => [difference.key, difference.nearest]),
  );
  return Object.entries(selector)
    .map(([key, value]) => {
      const label = differences.get(key) ?? { key, value };
      return `${label.key}=${label.value}`;
    })
    .join(',');
}
