// The records of exits, and what is told of them.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const STORE = 'test/module/recorder/store.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'an exit is lost because the last line before it was torn',
    file: 'module/recorder/exitFile.ts',
    find: "endsTorn(fd, size) ? '\\n' : ''",
    replace: "endsTorn(fd, -1) ? '\\n' : ''",
    tests: [STORE],
  },
  {
    harm: 'the records of exits fill the disk',
    file: 'module/recorder/store.ts',
    find: 'if (sum() <= maxBytes && sized.length <= MOST_APPS) return;',
    replace: 'if (sized.length > 0) return;',
    tests: [STORE],
  },
  {
    harm: 'an app in a restart loop takes the room of all others',
    file: 'module/recorder/store.ts',
    find: 'if (file.size() + bytes > appBytes)',
    replace: 'if (file.size() + bytes > maxBytes)',
    tests: [STORE],
  },
  {
    harm: 'one exit with long lines takes the room of all others',
    file: 'module/recorder/storedRecord.ts',
    find: 'if (Buffer.byteLength(line) <= maxBytes || !halve(kept)) return line;',
    replace: 'if (Buffer.byteLength(line) <= maxBytes || kept) return line;',
    tests: [STORE],
  },
  {
    harm: 'a full disk ends the module',
    file: 'module/recorder/store.ts',
    find: 'isRefused = true;',
    replace: 'throw error;',
    tests: [STORE],
  },
  {
    harm: 'exits wait in memory without bound',
    file: 'module/recorder/store.ts',
    find: 'if (waiting.size <= MOST_WAITING) break;',
    replace: 'if (waiting.size > 0) break;',
    tests: [STORE],
  },
  {
    harm: 'a secret of an app is written into the records',
    file: 'module/recorder/storedRecord.ts',
    find: 'return blocks.flatMap(redactLines);',
    replace: 'return blocks.flat();',
    tests: [STORE],
  },
  {
    harm: 'exits are written through a link that somebody has put there',
    file: 'module/recorder/exitFile.ts',
    find: 'const fd = openRegularSync(file, constants.O_RDWR',
    replace: "const fd = require('node:fs').openSync(file, constants.O_RDWR",
    tests: [STORE],
  },
];
