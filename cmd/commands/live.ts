/**
 * `kubectl svctrace` on a terminal: the view is shown first, and what it shows is loaded and asked for behind it. What is
 * imported here at once is what the first frame waits for (docs/decisions/032).
 */
import type { Origin } from '../sources/origin.ts';
import { present } from '../../core/lib/present.ts';
import type { connect } from '../cluster/cluster-client.ts';
import { exitStatus } from '../cli/exit-status.ts';
import { isInteractive, type Io } from '../cli/io.ts';
import { openLater } from '../sources/later.ts';
import { wantsColor } from '../tables/paint.ts';
import { namesTrace, type TraceOrigin, type TraceRequest } from '../cli/request.ts';
import type { ListedServices } from '../views/picker-state.ts';
import type { TraceSource } from '../sources/source.ts';

/** Connections are made once: a live view would make them again and again. */
export function isLive(request: TraceRequest, io: Pick<Io, 'stdout' | 'stdin'>): boolean {
  return isInteractive(io) && request.output === undefined && request.connect === 'None';
}

/** @param connectTo replaced by tests */
export async function runLive(request: TraceRequest, io: Io, connectTo?: typeof connect): Promise<number> {
  if (namesTrace(request)) await showOne(request, io, connectTo);
  else await showPicked(request, io, connectTo);
  return exitStatus.ok;
}

/** One Service after the other, as the user chooses them, until the user leaves. */
async function showPicked(request: TraceRequest, io: Io, connectTo: typeof connect | undefined): Promise<void> {
  const { pickService } = await import('../views/show.tsx');
  let clusterClient: ReturnType<typeof connect> | undefined;
  const list = async (isEverywhere: boolean): Promise<ListedServices> => {
    const [library, { listChoices }, { explainError }] = await Promise.all([
      import('../cluster/cluster-client.ts'),
      import('../views/service-choices.ts'),
      import('../cluster/explain-error.ts'),
    ]);
    try {
      clusterClient ??= (connectTo ?? library.connect)(request.flags, io.env, () => undefined);
      return {
        namespace: clusterClient.namespace,
        services: await listChoices(clusterClient, isEverywhere ? undefined : clusterClient.namespace),
      };
    } catch (error) {
      throw explainError(error);
    }
  };
  for (;;) {
    const choice = await pickService(
      { isEverywhere: request.allNamespaces, list },
      { useColor: wantsColor(request.color, true, io.env), signal: io.signal },
    );
    if (choice === undefined) return;
    await showOne(
      {
        ...request,
        service: choice.name,
        allNamespaces: false,
        flags: { ...request.flags, namespace: choice.namespace },
      },
      io,
      connectTo,
    );
  }
}

async function showOne(request: TraceRequest, io: Io, connectTo: typeof connect | undefined): Promise<void> {
  const { showLive } = await import('../views/show.tsx');
  const source = openLater(originOf(request.origin), () => open(request, io, connectTo));
  try {
    const [node] = request.nodes;
    await showLive(source, {
      useColor: wantsColor(request.color, true, io.env),
      signal: io.signal,
      start: present({ subject: subjectOf(request), view: request.view, node }),
    });
  } finally {
    await source.close();
  }
}

async function open(request: TraceRequest, io: Io, connectTo: typeof connect | undefined): Promise<TraceSource> {
  const [{ openSource }] = await Promise.all([
    import('../sources/open.ts'),
    import('../views/state/explainers.ts').then(({ loadExplainers }) => loadExplainers()),
  ]);
  return openSource(request, true, io, connectTo, (line) => {
    // A line in the midst of the view would spoil it.
    if (io.stderr.isTTY !== true) io.stderr.write(`${line}\n`);
  });
}

function originOf(origin: TraceOrigin): Origin {
  switch (origin.kind) {
    case 'bundle':
      return { kind: 'recorded' };
    case 'existing':
      return { kind: 'trace', name: origin.trace };
    case 'standalone':
    case 'operator':
      return { kind: origin.kind };
  }
}

function subjectOf({ service, flags }: TraceRequest): string | undefined {
  return service === undefined
    ? undefined
    : `${service}${flags.namespace === undefined ? '' : ` in ${flags.namespace}`}`;
}
