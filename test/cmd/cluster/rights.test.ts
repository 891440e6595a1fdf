/** What a user gets who may use the operator and nothing else, and the message with all the rights that are missing. */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../cmd/cluster/api.ts';
import { traceOfBundle } from '../../../cmd/sources/bundle.ts';
import { runCapture } from '../../../cmd/commands/capture.ts';
import type { Access } from '../../../cmd/cluster/access-review.ts';
import type { ClusterClient } from '../../../cmd/cluster/cluster-client.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { runDiagram } from '../../../cmd/commands/diagram.ts';
import { runDns } from '../../../cmd/commands/dns.ts';
import { ClusterError } from '../../../cmd/cli/errors.ts';
import { runExplain } from '../../../cmd/commands/explain.ts';
import { runLogs } from '../../../cmd/commands/logs.ts';
import { runRecord } from '../../../cmd/commands/record.ts';
import { runReport } from '../../../cmd/commands/report.ts';
import type { Request } from '../../../cmd/cli/request.ts';
import { accessText, missingRights } from '../../../cmd/cluster/rights.ts';
import { runSimulate } from '../../../cmd/commands/simulate.ts';
import { runTrace } from '../../../cmd/commands/trace.ts';
import { parseBundle, type Bundle } from '../../../core/wire/bundle.ts';
import { fakeCluster, testIo, type FakeCluster } from '../../support/fake-cluster.ts';

const bundleOf = async (name: string): Promise<Bundle> =>
  parseBundle(await readFile(fileURLToPath(new URL(`../../fixtures/${name}.svctrace`, import.meta.url)), 'utf8'));

/** What config/rbac/servicetrace_editor_role.yaml gives at least. */
const operatorOnly = (access: Access): boolean =>
  access.resource === 'servicetraces' &&
  access.namespace === 'default' &&
  ['create', 'get', 'watch'].includes(access.verb);

interface Recorded {
  readonly cluster: FakeCluster;
  /** Each method of the client that the API server refused. */
  readonly refused: string[];
}

/** A cluster whose operator answers what was recorded, and whose API server refuses all but `may`. */
async function clusterOf(name: string, may: (access: Access) => boolean = operatorOnly): Promise<Recorded> {
  const bundle = await bundleOf(name);
  const refused: string[] = [];
  const refuse = (method: string) => async (): Promise<never> => {
    refused.push(method);
    throw new ApiError(403, 'Forbidden', `${method} is forbidden: User "tenant" cannot do it`, undefined);
  };
  const forbidden = Object.fromEntries(
    (
      [
        'hasService',
        'listServices',
        'listServicesWithEndpoints',
        'listNamespaces',
        'listPods',
        'listNodes',
        'listLogPods',
        'watchLogPods',
        'readLog',
        'listTraces',
        'annotateTrace',
        'deleteTrace',
        'readOperator',
        'readCrd',
        'apply',
        'has',
        'remove',
      ] as const satisfies readonly (keyof ClusterClient)[]
    ).map((method) => [method, refuse(method)]),
  );
  const cluster = fakeCluster({
    ...forbidden,
    mayI: async (access) => may(access),
    onCreated: (created, { traces, writeStatus }) => {
      const { spec } = traces.find(({ metadata }) => metadata.name === created) ?? {};
      const from = spec?.from?.ip;
      const walkFrom = from === undefined ? [] : bundle.answers.map(({ node }) => ({ node, address: from }));
      const { status = {} } = traceOfBundle({ ...bundle, spec: spec ?? bundle.spec }, walkFrom);
      setTimeout(() => {
        writeStatus(created, { ...status, observedGeneration: 1 });
      }, 0);
    },
  });
  return { cluster, refused };
}

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function run(line: string, { cluster }: Recorded, columns = '100'): Promise<Result> {
  const parsed = await parseCommandLine(line.split(' '), 100);
  if (parsed.kind !== 'request') throw new Error('no request');
  const io = testIo({ COLUMNS: columns });
  const status = await commandOf(parsed.request, io, () => cluster.client);
  return { status, out: io.out(), err: io.err() };
}

async function commandOf(
  request: Request,
  io: ReturnType<typeof testIo>,
  connect: () => ClusterClient,
): Promise<number> {
  switch (request.command) {
    case 'explain':
      return runExplain(request, io, connect);
    case 'dns':
      return runDns(request, io, connect);
    case 'diagram':
      return runDiagram(request, io, connect);
    case 'report':
      return runReport(request, io, () => new Date('2026-11-24T12:27:30Z'), connect);
    case 'logs':
      return runLogs(request, io, connect);
    case 'record':
      return runRecord(request, io, connect);
    case 'simulate':
      return runSimulate(request, io, connect);
    case 'capture':
      return runCapture(request, io, connect);
    case 'trace':
      return runTrace(request, io, connect);
    default:
      throw new Error(`no test for ${request.command}`);
  }
}

const collecting = [
  'get services -n default',
  'list endpointslices.discovery.k8s.io -n default',
  'list nodes',
  'create pods -n kube-system',
  'list pods -n kube-system',
  'watch pods -n kube-system',
  'delete pods -n kube-system',
  'get pods/exec -n kube-system',
  'create pods/exec -n kube-system',
].join('; ');

describe('with the rights for the operator alone', () => {
  it('explain shows each rule of the Service, and what more rights would show', async () => {
    const recorded = await clusterOf('auth-service');
    const { status, out, err } = await run('explain auth-service', recorded);
    expect(status).toBe(0);
    await expect(out).toMatchFileSnapshot('screens/explain-of-operator.txt');
    expect(err).toContain(
      `Notice: the operator collected this, for you lack the rights to ${collecting}; with them, the third-party rules are shown too, and who meets each rule.\n`,
    );
    // Its trace cannot be deleted with these rights, and goes by itself.
    expect(recorded.refused).toContain('deleteTrace');
    expect(recorded.cluster.traces[0]?.spec.ttlSecondsAfterFinished).toBeGreaterThan(0);
  });

  it.each([
    'auth-service',
    'external-ip',
    'internal-local',
    'many-ports',
    'node-port',
    'node-port-local',
    'only-ipv6',
    'sticky',
  ])(
    'explain of %s knows every rule, and leaves out none that its own collection tells of kube-proxy',
    async (name) => {
      const recorded = await clusterOf(name);
      const bundle = await bundleOf(name);
      const { out } = await run(`explain ${bundle.desired.name} -o json`, recorded);
      const { nodes } = JSON.parse(out) as ExplainJson;
      const rules = nodes.flatMap(rulesOf);
      expect(rules.filter(({ unknown }) => unknown.length > 0)).toEqual([]);
      for (const { ports, program } of traceOfBundle(bundle).status?.nodes ?? []) {
        if (!ports.some(({ verdict }) => verdict === 'DNAT')) continue;
        const own = traceOfBundle(bundle).status?.programs?.find(({ fingerprint }) => fingerprint === program);
        const texts = new Set(rules.map(({ text }) => text));
        const missing = (own?.chains ?? []).flatMap(({ rules: all }) => all.filter(({ text }) => !texts.has(text)));
        expect(missing).toEqual([]);
      }
    },
  );

  it('explain --to shows the rules of that port alone', async () => {
    const recorded = await clusterOf('many-ports');
    const { desired } = await bundleOf('many-ports');
    const [first, second] = desired.service.ports;
    if (first?.name === undefined || second?.name === undefined) throw new Error('the fixture has no two named ports');
    const { out } = await run(`explain ${desired.name} --to ${String(first.port)} -o json`, recorded);
    const { nodes } = JSON.parse(out) as ExplainJson;
    const texts = nodes.flatMap(rulesOf).map(({ text }) => text);
    expect(texts.some((text) => text.includes(`${desired.name}:${first.name ?? ''}`))).toBe(true);
    expect(texts.filter((text) => text.includes(`${desired.name}:${second.name ?? ''}"`))).toEqual([]);
    await expect(run(`explain ${desired.name} --to 9`, recorded)).rejects.toThrow(
      '--to port 9 is not an address of Service',
    );
  });

  it("explain --from follows the client's packet as the operator walked it", async () => {
    const recorded = await clusterOf('auth-service');
    const { status, out, err } = await run('explain auth-service --from 10.244.1.3 --to 80', recorded);
    expect(status).toBe(0);
    await expect(out).toMatchFileSnapshot('screens/explain-from-of-operator.txt');
    expect(err).toContain(collecting);
    expect(recorded.cluster.traces[0]?.spec.from).toEqual({ ip: '10.244.1.3' });
  });

  it('explain --from says that no packet of another family goes to the Service', async () => {
    const recorded = await clusterOf('only-ipv6');
    const { desired } = await bundleOf('only-ipv6');
    await expect(run(`explain ${desired.name} --from 10.244.1.3`, recorded)).rejects.toThrow(
      `Service ${desired.name} has no IPv4 address, only IPv6, so no packet of 10.244.1.3 (10.244.1.3) goes to it`,
    );
  });

  it('dns shows what each node was answered, with the result', async () => {
    const recorded = await clusterOf('auth-service');
    const { status, out, err } = await run('dns auth-service', recorded, '160');
    expect(status).toBe(0);
    await expect(out).toMatchFileSnapshot('screens/dns-of-operator.txt');
    expect(err).toContain(collecting);
    expect(recorded.cluster.traces[0]?.spec.collect).toEqual({
      rules: false,
      conntrack: 'None',
      kubeProxy: false,
      dns: true,
    });
  });

  it('dns --exec says all that it needs', async () => {
    const recorded = await clusterOf('auth-service');
    await expect(run('dns auth-service --from client-a --exec', recorded)).rejects.toThrow(
      new ClusterError(
        `--exec needs rights that you lack: ${collecting}; get pods/exec -n default; create pods/exec -n default.`,
      ),
    );
    expect(recorded.cluster.traces).toEqual([]);
  });

  it('diagram draws the very same picture', async () => {
    const recorded = await clusterOf('auth-service');
    const { status, out, err } = await run('diagram auth-service', recorded);
    const fromFile = await run(
      `diagram --bundle ${fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url))}`,
      recorded,
    );
    expect({ status, out }).toEqual({ status: fromFile.status, out: fromFile.out });
    expect(err).toBe('');
  });

  it('report writes its page, with a client too', async () => {
    const recorded = await clusterOf('auth-service');
    const file = join(await mkdtemp(join(tmpdir(), 'svctrace-rights-')), 'report.html');
    const { status, err } = await run(`report auth-service --to ${file} --from 10.244.1.3`, recorded);
    expect(status).toBe(0);
    const page = await readFile(file, 'utf8');
    expect(page).toContain('from what the operator collected');
    expect(page).toContain('KUBE-SVC-');
    expect(page).toContain('10.244.1.3');
    expect(err).toContain(collecting);
  });

  it('logs says every right that it needs', async () => {
    const recorded = await clusterOf('auth-service');
    await expect(run('logs auth-service', recorded)).rejects.toThrow(
      new ClusterError('logs needs rights that you lack: list pods -n default; get pods/log -n default.'),
    );
    await expect(run('logs auth-service -f --kube-proxy', recorded)).rejects.toThrow(
      new ClusterError(
        'logs needs rights that you lack: list pods -n kube-system; watch pods -n kube-system; get pods/log -n kube-system.',
      ),
    );
    expect(recorded.cluster.traces).toEqual([]);
  });

  it('logs takes the Service from the operator where pods and their logs may be read', async () => {
    const recorded = await clusterOf('auth-service', (access) => operatorOnly(access) || access.resource === 'pods');
    const client: ClusterClient = {
      ...recorded.cluster.client,
      listLogPods: async (_namespace, selector) => ({
        resourceVersion: '1',
        pods:
          selector === 'app=auth-service'
            ? [
                {
                  name: 'auth-1',
                  uid: 'uid-1',
                  node: 'node-a',
                  isEnding: false,
                  containers: [{ name: 'app', restarts: 0, hasStarted: true, isRunning: true }],
                },
              ]
            : [],
      }),
      readLog: async (_query, onLine) => {
        onLine('2026-11-24T10:00:01Z one');
      },
    };
    const { status, out } = await run('logs auth-service', {
      ...recorded,
      cluster: { ...recorded.cluster, client },
    });
    expect({ status, out }).toEqual({ status: 0, out: 'auth-1/app one\n' });
    expect(recorded.cluster.traces[0]?.spec.nodes).toEqual({ max: 1 });
  });

  it.each([
    ['record auth-service --to /tmp/x.svctrace', 'record'],
    ['simulate auth-service --from 10.244.1.7 --to 10.96.2.60:80', 'simulate SERVICE'],
    ['capture auth-service --to /tmp/x.pcapng', 'capture'],
    ['auth-service --standalone', '--standalone'],
  ])('%s says every right that it needs', async (line, what) => {
    const recorded = await clusterOf('auth-service');
    await expect(run(line, recorded)).rejects.toThrow(
      new ClusterError(`${what} needs rights that you lack: ${collecting}.`),
    );
    expect(recorded.cluster.log).toEqual([]);
  });
});

describe('with fewer rights still', () => {
  it.each([
    'explain auth-service',
    'dns auth-service',
    'diagram auth-service',
    'report auth-service --to /tmp/none.html',
  ])('%s says both ways, each with all that is missing', async (line) => {
    const recorded = await clusterOf('auth-service', ({ verb }) => verb === 'get');
    await expect(run(line, recorded)).rejects.toThrow(
      new ClusterError(
        `You may neither ask the operator, for which you lack create servicetraces.svctrace.io -n default; watch servicetraces.svctrace.io -n default (the ClusterRole svctrace-servicetrace-editor has them), nor collect without it, for which you lack ${collecting
          .split('; ')
          .filter((each) => !each.startsWith('get '))
          .join('; ')}.`,
      ),
    );
    expect(recorded.cluster.traces).toEqual([]);
  });

  it('goes on where even the question for rights is refused', async () => {
    const recorded = await clusterOf('auth-service', () => {
      throw new ApiError(403, 'Forbidden', 'selfsubjectaccessreviews is forbidden', undefined);
    });
    await expect(run('logs auth-service', recorded)).rejects.not.toThrow('needs rights');
  });
});

it('an access reads as kubectl auth can-i takes it', () => {
  expect(
    accessText({ verb: 'get', group: '', resource: 'configmaps', namespace: 'kube-system', name: 'kube-proxy' }),
  ).toBe('get configmaps/kube-proxy -n kube-system');
  expect(accessText({ verb: 'list', group: '', resource: 'nodes' })).toBe('list nodes');
  expect(accessText(ofConfigMaps)).toBe('get configmaps/kube-proxy or configmaps/kube-proxy-config -n kube-system');
});

interface ExplainJson {
  readonly nodes: readonly {
    readonly families?: readonly {
      readonly stages: readonly {
        readonly chains: readonly {
          readonly rules: readonly { readonly text: string; readonly unknown: string[] }[];
        }[];
      }[];
    }[];
  }[];
}

function rulesOf({ families = [] }: ExplainJson['nodes'][number]): { text: string; unknown: string[] }[] {
  return families.flatMap(({ stages }) => stages.flatMap(({ chains }) => chains.flatMap(({ rules }) => [...rules])));
}

const ofConfigMaps = {
  verb: 'get',
  group: '',
  resource: 'configmaps',
  namespace: 'kube-system',
  name: 'kube-proxy',
  orNames: ['kube-proxy-config'],
};

it.each(['kube-proxy', 'kube-proxy-config'])(
  'is not missing where one of the names is allowed: %s',
  async (allowed) => {
    const of = (names: readonly string[]): Promise<string[]> =>
      missingRights({ mayI: ({ name = '' }) => Promise.resolve(names.includes(name)) }, [ofConfigMaps]);
    expect(await of([allowed])).toEqual([]);
    expect(await of([])).toEqual([accessText(ofConfigMaps)]);
  },
);
