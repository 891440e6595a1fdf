/** Changes of the pods whose logs are followed, shown among their lines. */
import type { LogContainer, LogPod } from '../cluster/log-pods.ts';
import type { LogLine } from './merge.ts';

/** @param now in RFC 3339 */
export function podNews(before: readonly LogPod[], after: readonly LogPod[], now: string): LogLine[] {
  const known = new Map(before.map((pod) => [pod.uid, pod]));
  const there = new Set(after.map(({ uid }) => uid));
  return [
    ...after.flatMap((pod) => newsOf(known.get(pod.uid), pod, now)),
    ...before
      .filter(({ uid }) => !there.has(uid))
      .map(({ name, node }): LogLine => ({ from: name, node, time: now, text: 'the pod is gone', news: 'good' })),
  ];
}

function newsOf(before: LogPod | undefined, { name, node, isEnding, containers }: LogPod, now: string): LogLine[] {
  const news = (text: string, { from = name, time = now, news = 'good' }: Partial<LogLine> = {}): LogLine => ({
    from,
    node,
    time,
    text,
    news,
  });
  return [
    ...(before?.node === undefined && node !== undefined
      ? [news(`a new pod${isEnding ? ', which is being deleted' : ''}`)]
      : []),
    ...containers.flatMap((container) => {
      const { name: own, ended, restarts, isRunning } = container;
      const earlier = before?.containers.find((each) => each.name === own);
      const from = `${name}/${own}`;
      const end =
        ended !== undefined && (earlier?.ended?.at !== ended.at || earlier.ended.exitCode !== ended.exitCode)
          ? [
              news(endOf(ended), {
                from,
                time: ended.at === '' ? now : ended.at,
                news: ended.exitCode === 0 || isEnding ? 'good' : 'bad',
              }),
            ]
          : [];
      const start =
        earlier !== undefined && restarts > earlier.restarts
          ? [news(`started again, restart ${String(restarts)}`, { from })]
          : [];
      // A short run may have begun and ended since the kubelet's last word.
      return isRunning ? [...end, ...start] : [...start, ...end];
    }),
    ...(before !== undefined && isEnding && !before.isEnding ? [news('the pod is being deleted')] : []),
  ];
}

/** `Error` and `Completed` say no more than the exit code. */
function endOf({ exitCode, reason }: NonNullable<LogContainer['ended']>): string {
  return `ended with exit code ${String(exitCode)}${reason === undefined || reason === 'Error' || reason === 'Completed' ? '' : ` (${reason})`}`;
}

/** Which containers wait, and for what: `auth-1/app (ImagePullBackOff)`; the container is named where its pod has several. */
export function waitingContainers(pods: readonly LogPod[]): string[] {
  return pods.flatMap(({ name, isEnding, containers }) =>
    isEnding
      ? []
      : containers.flatMap((container) =>
          container.waiting === undefined
            ? []
            : [`${name}${containers.length > 1 ? `/${container.name}` : ''} (${container.waiting})`],
        ),
  );
}
