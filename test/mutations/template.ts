// The service that people copy.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const LIMITS = 'test/app-template/limits.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'a service with a small quota has no worker at all',
    file: 'app-template/limits.cjs',
    find: 'return Math.max(1, Math.floor(Math.min(os.availableParallelism(), cpuQuota(read))));',
    replace: 'return Math.floor(Math.min(os.availableParallelism(), cpuQuota(read)));',
    tests: [LIMITS],
  },
  {
    harm: 'the quota of a group around it does not count: more workers than CPUs',
    file: 'app-template/limits.cjs',
    find: 'Array.from({ length: parts.length + 1 }',
    replace: 'Array.from({ length: 1 }',
    tests: [LIMITS],
  },
  {
    harm: 'a limit of memory is not seen: the kernel ends workers that PM2 would have restarted in order',
    file: 'app-template/limits.cjs',
    find: 'Math.min(os.totalmem(), memoryLimitBytes(read))',
    replace: 'os.totalmem()',
    tests: [LIMITS],
  },
];
