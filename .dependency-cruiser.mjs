/**
 * The direction that data flows in (docs/architecture.md): a room imports only what stands before it in this list, and
 * no file imports in a circle. `npm run check` fails on an arrow back up.
 */
const rooms = [
  'core/lib',
  'core/net',
  'core/api',
  'core/dump',
  'core/proc',
  'core/ipset',
  'core/nftables',
  'core/nftables/netlink',
  'core/ipvs',
  'core/iptables',
  'core/iptables/entries',
  'core/iptables/netlink',
  'core/wire',
  'core/capture',
  'core/conntrack',
  'core/ruleset',
  'core/dns',
  'core/kube-proxy',
  'core/evaluate',
  'core/program',
  'core/convergence',
  'core/diagnose/checks',
  'core/diagnose/findings',
  'core/diagnose',
  'core/explain',
  'core/diagram',
  'core/status',
  'engine',
  'operator',
  'probe/io',
  'probe/rules',
  'probe/watch',
  'probe',
  'cmd/cli',
  'cmd/cluster',
  'cmd/tables',
  'cmd/printers',
  'cmd/logs',
  'cmd/sources',
  'cmd/views/state',
  'cmd/views/bodies',
  'cmd/views',
  'cmd/pages',
  'cmd/commands',
  'cmd',
];
const files = (room) => (room === 'cmd' ? '^cmd/(main|start)\\.ts$' : `^${room}/[^/]+$`);

/** Programs that share nothing but core: none imports another, but for the engine that operator and plugin share. */
const programs = {
  operator: ['probe', 'cmd'],
  engine: ['probe', 'cmd', 'operator'],
  probe: ['engine', 'operator', 'cmd'],
  cmd: ['probe', 'operator'],
};

export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Files that import each other cannot be read one after the other; types alone may name each other.',
      severity: 'error',
      from: { path: '^(core|engine|operator|probe|cmd|scripts)/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'room-in-order',
      comment: 'Each folder with sources stands in the list of rooms.',
      severity: 'error',
      from: { path: '^(core|engine|operator|probe|cmd)/', pathNot: rooms.map(files) },
      to: {},
    },
    ...rooms.slice(0, -1).map((room, index) => ({
      name: `only-before-${room.replaceAll('/', '-')}`,
      comment: `${room}/ imports a room that comes after it: data flows the other way.`,
      severity: 'error',
      from: { path: files(room) },
      to: { path: rooms.slice(index + 1).map(files) },
    })),
    ...Object.entries(programs).map(([program, others]) => ({
      name: `not-from-${program}`,
      comment: `${program}/ and ${others.join(', ')} are programs of their own.`,
      severity: 'error',
      from: { path: `^${program}/` },
      to: { path: others.map((other) => `^${other}/`) },
    })),
    {
      name: 'tests-in-their-room',
      comment: "What tests share is in test/support: no test imports another room's test.",
      severity: 'error',
      from: { path: '^test/' },
      to: { path: '\\.test\\.tsx?$' },
    },
    {
      name: 'no-test-in-a-program',
      comment: 'What ships knows no test.',
      severity: 'error',
      from: { path: '^(core|engine|operator|probe|cmd)/' },
      to: { path: '^(test|bench|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test/cluster/programs)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.js', '.mjs'] },
  },
};
