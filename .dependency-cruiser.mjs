// The floors of the house as rules (`npm run floors`): what each room may import, and no circles. What the rooms are for is
// in ARCHITECTURE.md.

/** The rooms and the rooms below that each may import. The engines (drain, diagnostics, attach) know no PM2 and not each other. */
const MAY_IMPORT = {
  contract: [],
  shared: ['contract'],
  drain: ['contract', 'shared'],
  diagnostics: ['contract', 'shared'],
  lifecycle: ['contract', 'shared', 'drain', 'diagnostics'],
  maintenance: ['contract', 'shared', 'drain', 'diagnostics'],
  agent: ['contract', 'shared', 'drain', 'diagnostics'],
  'module/attach': ['contract', 'shared'],
  'module/pm2': ['contract', 'shared'],
  'module/state': ['contract', 'shared', 'module/pm2'],
  'module/events': ['contract'],
  'module/fleet': ['contract', 'shared', 'module/pm2', 'module/state', 'module/attach', 'module/events'],
  'module/figures': [
    ...['contract', 'shared'],
    ...['module/pm2', 'module/state', 'module/attach', 'module/events', 'module/fleet'],
  ],
  'module/agents': [
    ...['contract', 'shared'],
    ...['module/pm2', 'module/state', 'module/attach', 'module/events', 'module/fleet'],
  ],
  'module/door': [
    ...['contract', 'shared'],
    ...['module/pm2', 'module/state', 'module/events', 'module/fleet', 'module/agents'],
  ],
  'module/recorder': [
    ...['contract', 'shared', 'module/figures'],
    ...['module/pm2', 'module/state', 'module/events', 'module/fleet', 'module/agents'],
  ],
  'module/alerts': ['contract', 'shared', 'module/pm2', 'module/state', 'module/events', 'module/fleet'],
  'module/operations': [
    ...['contract', 'shared', 'diagnostics', 'module/door', 'module/figures', 'module/recorder', 'module/alerts'],
    ...['module/pm2', 'module/state', 'module/attach', 'module/events', 'module/fleet', 'module/agents'],
  ],
  'module/rulesFile': ['contract', 'shared'],
  'module/rules': [
    ...['contract', 'shared', 'diagnostics', 'module/rulesFile', 'module/pm2', 'module/events', 'module/fleet'],
  ],
  'module/api': [
    ...['contract', 'shared', 'module/pm2', 'module/state', 'module/attach', 'module/events'],
    ...['module/fleet', 'module/figures', 'module/agents', 'module/door', 'module/recorder', 'module/alerts'],
    'module/operations',
    'module/rules',
  ],
  // main.ts and the few files beside it.
  module: ['contract', 'shared', 'drain', 'diagnostics'],
  cli: ['contract', 'shared', 'diagnostics', 'module/pm2', 'module/state', 'module/rulesFile'],
};
/** What is not in the package: it may import all of the rooms, and none of the rooms may import it. */
const WORKSHOPS = ['testkit', 'bench', 'scripts', 'test'];

/** Paths in a room: `module` contains rooms of their own, which are not this room itself. */
const within = (room) => `^${room}/`;

const floors = Object.entries(MAY_IMPORT).map(([room, below]) => ({
  name: `floor-${room.replace('/', '-')}`,
  comment: `${room}/ imports only ${below.length > 0 ? `${below.join(', ')} and itself` : 'itself'}.`,
  severity: 'error',
  from: { path: within(room), ...(room === 'module' ? { pathNot: '^module/[^/]+/' } : {}) },
  to: { dependencyTypes: ['local'], pathNot: [room, ...below].map(within) },
}));

export default {
  forbidden: [
    ...floors,
    {
      name: 'every-room-has-its-rule',
      comment: 'A new room needs a line in MAY_IMPORT.',
      severity: 'error',
      from: {
        path: '^module/[^/]+/',
        pathNot: Object.keys(MAY_IMPORT)
          .filter((room) => room !== 'module')
          .map(within),
      },
      to: {},
    },
    {
      name: 'no-circle-of-files',
      comment: 'A file must not import itself by way of others: move what both need into a file of its own.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-circle-of-rooms',
      comment: 'A folder must not import itself by way of others.',
      severity: 'error',
      scope: 'folder',
      from: {},
      to: { circular: true },
    },
    {
      name: 'tests-are-for-tests',
      comment: 'What tests, benchmarks and scripts share is in testkit/.',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-workshop-in-the-product',
      severity: 'error',
      from: { path: Object.keys(MAY_IMPORT).map(within) },
      to: { path: WORKSHOPS.map(within) },
    },
  ],
  options: {
    // TypeScript 7 has no API that the tool knows; swc parses the sources, types included.
    parser: 'swc',
    tsPreCompilationDeps: true,
    // Other people's code, what is built, and apps that run on their own. Node's own `module` has the name of a room; it also hides
    // that room from a scan of `.`, which is why the script names each folder.
    exclude: {
      path: [
        '(^|/)node_modules/',
        '^(dist|app-template)/',
        '^(bench|test)/(apps|workspace|frameworks|replaced)/',
        '^module$',
      ],
    },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.cjs', '.json'] },
  },
};
