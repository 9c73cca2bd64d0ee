// Heap dumps: no room, no dump; nothing half written, nothing that others can read, and nobody notices.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const HEADROOM = 'test/diagnostics/headroom.test.ts';
const HEAPDUMP = 'test/agent/heapdump.test.ts';
const DRAINED = 'test/agent/heapdumpDrained.test.ts';
const FILES = 'test/diagnostics/files.test.ts';
export const mutations: readonly Mutation[] = [
  {
    harm: 'a dump for which memory is too small ends the app',
    file: 'diagnostics/headroom.ts',
    find: 'if (need > bytes) {',
    replace: 'if (need > bytes * 1e6) {',
    tests: [HEADROOM],
  },
  {
    harm: 'a dump goes over max_memory_restart: PM2 kills the app in the middle of it',
    file: 'diagnostics/headroom.ts',
    find: 'rss + need > ceiling.bytes',
    replace: 'rss > ceiling.bytes',
    tests: [HEAPDUMP],
  },
  {
    harm: 'a dump fills the disk for its neighbours',
    file: 'diagnostics/headroom.ts',
    find: 'if (need > bavail * bsize) {',
    replace: 'if (need > bavail * bsize * 1e6) {',
    tests: [HEADROOM],
  },
  {
    harm: 'memory and disk are not looked at again after the wait for the siblings’ dumps',
    file: 'agent/actions/heapdump.ts',
    find: '    checkHeadroom(store, headroom);\n    return',
    replace: '    return',
    tests: [HEADROOM],
  },
  {
    harm: 'the limit of a cgroup is not seen: the kernel ends the app',
    file: 'diagnostics/headroom.ts',
    find: 'if (limit > 0 && limit < 2 ** 60) {',
    replace: 'if (limit > 2 ** 60) {',
    tests: [HEADROOM],
  },
  {
    harm: 'a snapshot that was cut off is handed out as a dump',
    file: 'diagnostics/heapSnapshot.ts',
    find: ".trimEnd().endsWith('}')",
    replace: ".trimEnd().endsWith('')",
    tests: ['test/agent/heapdumpCut.test.ts'],
  },
  {
    harm: 'a compressed twin of another size is handed out as the dump',
    file: 'diagnostics/gzipTwin.ts',
    find: '(await sizeInside(theirs)) === bytes % 2 ** 32',
    replace: '(await sizeInside(theirs)) > 0',
    tests: ['test/agent/heapdumpTwin.test.ts'],
  },
  {
    harm: 'a dump that fails leaves its part behind',
    file: 'diagnostics/heapSnapshot.ts',
    find: '    discard(partial);\n    packing?.discard();',
    replace: '    packing?.discard();',
    tests: [HEAPDUMP],
  },
  {
    harm: 'everybody on the host can read the secrets of a process in its dump',
    file: 'diagnostics/files.ts',
    find: 'fchmodSync(fd, 0o600);',
    replace: 'fchmodSync(fd, 0o644);',
    tests: [HEAPDUMP],
  },
  {
    harm: 'dumps pile up beyond dump_keep',
    file: 'diagnostics/files.ts',
    find: 'files.filter(isOwn).slice(Math.max(1, keep))',
    replace: 'files.filter(isOwn).slice(Math.max(1, keep) + 1)',
    tests: [FILES, HEAPDUMP],
  },
  {
    harm: 'pruning takes the newest dump too',
    file: 'diagnostics/files.ts',
    find: 'if (index > 0 && total > maxBytes)',
    replace: 'if (total > maxBytes)',
    tests: [FILES],
  },
  {
    harm: 'an instance that dumps its heap while siblings serve is not drained: its clients wait for seconds',
    file: 'agent/actions/outOfService.ts',
    find: 'if (!mayDrain.may) {',
    replace: 'if (mayDrain.may) {',
    tests: [DRAINED],
  },
  {
    harm: 'an instance that was drained for a dump does not serve again',
    file: 'agent/actions/outOfService.ts',
    find: '      await engine.resume();',
    replace: '',
    tests: [DRAINED],
  },
  {
    harm: 'requests that are not done when a dump begins are cut',
    file: 'agent/actions/outOfService.ts',
    find: "{ budgetMs: timeoutMs, unfinished: 'leave', except: alone }",
    replace: '{ budgetMs: timeoutMs, except: alone }',
    tests: [DRAINED],
  },
  {
    harm: 'a process keeps the low priority that it had while it dumped',
    file: 'diagnostics/lowPriority.ts',
    find: 'if (before !== undefined) setPriority(0, before);',
    replace: '',
    tests: ['test/diagnostics/lowPriority.test.ts'],
  },
  {
    harm: 'the module compresses any file that an app names',
    file: 'module/operations/compressor.ts',
    find: 'if (from === to || !isPartialOf(pid, from, folder) || !isPartialOf(pid, to, folder)) return false;',
    replace: '',
    tests: ['test/module/operations/compressor.test.ts', 'test/module/agents/hostileMessages.test.ts'],
  },
  {
    harm: 'a file that ends early counts as whole',
    file: 'shared/files/growingFile.ts',
    find: 'else if (ended) throw new Error(`${file} ends after ${at} of ${size} bytes`);',
    replace: 'else if (ended) return;',
    tests: ['test/shared/files/growingFile.test.ts'],
  },
];
