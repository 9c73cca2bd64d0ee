// The records of exits, and what is told of them.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const STORE = 'test/module/recorder/store.test.ts';
const WHY = 'test/module/recorder/why.test.ts';
const PARAMS = 'test/module/recorder/whyParams.test.ts';
const DOCTOR = 'test/module/operations/doctor/exits.test.ts';

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
  {
    harm: 'an app that is gone is not found by its name',
    file: 'module/recorder/why.ts',
    find: 'exits.apps().map((each): Known',
    replace: 'exits.apps().slice(Number.MAX_SAFE_INTEGER).map((each): Known',
    tests: [WHY],
  },
  {
    harm: 'the id of a process shows exits of another app that had it before',
    file: 'module/recorder/why.ts',
    find: 'return { apps: [owner.app], pmId: id };',
    replace: 'return { pmId: id };',
    tests: [WHY],
  },
  {
    harm: 'a trigger prints the figures of every exit',
    file: 'module/recorder/why.ts',
    find: 'at < inFull ? record : inShort(record)',
    replace: 'at < inFull ? record : record',
    tests: [WHY],
  },
  {
    harm: 'a line to raise the heap drops the other options of Node',
    file: 'module/recorder/nextSteps.ts',
    find: 'const args = [...others, `',
    replace: 'const args = [...others.slice(others.length), `',
    tests: [WHY],
  },
  {
    harm: 'a mistyped parameter of why is ignored',
    file: 'module/recorder/whyParams.ts',
    find: 'if (surplus !== undefined)',
    replace: 'if (surplus === undefined && unknown === undefined)',
    tests: [PARAMS],
  },
  {
    harm: 'doctor takes reloads that somebody asked for as a restart loop',
    file: 'module/operations/doctor/exits.ts',
    find: "return by.who === 'itself' ||",
    replace: "return by.who !== 'unknown' ||",
    tests: [DOCTOR],
  },
  {
    harm: 'a restart loop that is repaired stays a finding',
    file: 'module/operations/doctor/exits.ts',
    find: 'recent.slice(0, asked < 0 ? undefined : asked)',
    replace: 'recent.slice(0, asked < 0 ? undefined : undefined)',
    tests: [DOCTOR],
  },
  {
    harm: "doctor tells a person to change a unit of systemd that is not the system's",
    file: 'module/operations/doctor/oomPolicy.ts',
    find: "unit.endsWith('.service') && !path.includes('/user@')",
    replace: "unit.endsWith('.service')",
    tests: [DOCTOR],
  },
];
