// Files in folders where another user, or an app, may put what they like: root never follows, waits for, or changes it.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const REGULAR = 'test/shared/files/regularFile.test.ts';
const OTHER_USERS = 'test/module/state/otherUsers.test.ts';
const STATE = 'test/module/state/state.test.ts';
const SESSION = 'test/agent/repl/session.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'a file is opened through a link that somebody else has put there',
    file: 'shared/files/regularFile.ts',
    find: 'constants.O_NOFOLLOW | constants.O_NONBLOCK',
    replace: 'constants.O_NONBLOCK',
    tests: [REGULAR],
  },
  {
    harm: 'a FIFO in the place of a file holds the module up for ever',
    file: 'shared/files/regularFile.ts',
    find: 'constants.O_NOFOLLOW | constants.O_NONBLOCK',
    replace: 'constants.O_NOFOLLOW',
    tests: [REGULAR],
  },
  {
    harm: 'a file of another user is taken for one of ours',
    file: 'shared/files/regularFile.ts',
    find: 'if (own !== undefined && stats.uid !== own)',
    replace: 'if (own === undefined)',
    tests: [REGULAR],
  },
  {
    harm: 'a second name of some file of ours is written to',
    file: 'shared/files/regularFile.ts',
    find: 'if (stats.nlink !== 1)',
    replace: 'if (stats.nlink === 0)',
    tests: [REGULAR],
  },
  {
    harm: 'the lease is renewed through a link',
    file: 'module/state/state.ts',
    find: 'return openRegularSync(file, flags, 0o600);',
    replace: "return require('node:fs').openSync(file, flags, 0o600);",
    tests: [STATE],
  },
  {
    harm: 'the audit of a REPL is written through a link, and its file becomes another',
    file: 'agent/repl/worker.ts',
    find: 'openRegularSync(audit, constants',
    replace: "require('node:fs').openSync(audit, constants",
    tests: [SESSION],
  },
  {
    harm: 'a link in the place of the state folder makes root change the folder behind it',
    file: 'module/state/state.ts',
    find: 'constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW',
    replace: 'constants.O_RDONLY | constants.O_DIRECTORY',
    tests: [STATE],
  },
  {
    harm: 'everybody on the host may look into the state folder',
    file: 'module/state/state.ts',
    find: 'fchmodSync(fd, 0o700);',
    replace: '',
    tests: [STATE],
  },
  {
    harm: 'a folder that anybody may write to decides where files of other users go',
    file: 'module/state/othersFolders.ts',
    find: 'stats.uid === 0 && (stats.mode & 0o022) === 0',
    replace: 'stats.uid >= 0',
    tests: [OTHER_USERS],
  },
  {
    harm: 'root itself removes files in a folder that another user may exchange',
    file: 'module/state/othersFolders.ts',
    find: 'process.setuid(Number(uid));',
    replace: '',
    tests: [OTHER_USERS],
  },
];
