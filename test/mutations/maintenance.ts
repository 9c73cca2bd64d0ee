// The routes that an app mounts: private, and one thing at a time.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const ROUTES = 'test/maintenance/frameworks.test.ts';
const OPTIONS = 'test/maintenance/options.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'the routes are open to a token that can be guessed',
    file: 'maintenance/access.ts',
    find: "if (typeof token !== 'string' || token.length < SHORTEST_TOKEN) {",
    replace: "if (typeof token !== 'string') {",
    tests: [OPTIONS],
  },
  {
    harm: 'tokens can be tried without end',
    file: 'maintenance/access.ts',
    find: 'wrong.count(address);',
    replace: '',
    tests: [ROUTES],
  },
  {
    harm: 'a heap dump and a leak report run at the same time: memory for one is not memory for both',
    file: 'maintenance/routes.ts',
    find: 'if (running !== undefined)',
    replace: "if (running === 'never')",
    tests: [ROUTES],
  },
  {
    harm: 'a dump that was sent stays on the disk',
    file: 'maintenance/routes.ts',
    find: 'await rm(file, { force: true });',
    replace: '',
    tests: [ROUTES],
  },
  {
    harm: 'one client of IPv6 tries a token from each of its addresses',
    file: 'maintenance/limiter.ts',
    find: '.slice(0, 4)',
    replace: '.slice(0, 8)',
    tests: ['test/maintenance/limiter.test.ts'],
  },
];
