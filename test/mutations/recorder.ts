// Why processes ended: no cause is made up, no exit is told twice, no secret is written down.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const CAUSE = 'test/module/recorder/cause.test.ts';
const EXITS = 'test/module/recorder/exitsUnder7.test.ts';
const LINES = 'test/module/recorder/daemonLog.test.ts';
const UNWATCHED = 'test/module/recorder/unwatched.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'an exception that the app had handled is told as the cause',
    file: 'module/recorder/cause.ts',
    find: 'if (words?.exception?.fatal)',
    replace: 'if (words?.exception)',
    tests: [CAUSE],
  },
  {
    harm: 'a full heap is told of a process that a signal from outside has ended',
    file: 'module/recorder/cause.ts',
    find: 'if (pm2Signal !== undefined && !FAULTS.has(pm2Signal)) return undefined;',
    replace: '',
    tests: [CAUSE],
  },
  {
    harm: "PM2's wrong code is told instead of the true one",
    file: 'module/recorder/cause.ts',
    find: 'if (words?.exitCode !== undefined) return { code: words.exitCode, signal: null };',
    replace: '',
    tests: [CAUSE, EXITS],
  },
  {
    harm: 'a cause is made up where nothing tells',
    file: 'module/recorder/cause.ts',
    find: "if (hadAgent && pm2Signal === 'SIGINT')",
    replace: "if (pm2Signal === 'SIGINT')",
    tests: [CAUSE],
  },
  {
    harm: 'a manual restart of an app with a schedule is told as its schedule',
    file: 'module/recorder/asked.ts',
    find: 'if (isReset && cron?.isDue && !isCommanded)',
    replace: 'if (isReset && cron && !isCommanded)',
    tests: [CAUSE],
  },
  {
    harm: 'a stop is told as a memory limit that was passed long ago',
    file: 'module/recorder/asked.ts',
    find: 'if (isRestart && memory) {',
    replace: 'if (memory) {',
    tests: [CAUSE],
  },
  {
    harm: 'what pm2-ops did is told as done by somebody',
    file: 'module/recorder/asked.ts',
    find: 'if (own) return byUs(own);',
    replace: '',
    tests: [CAUSE, EXITS],
  },
  {
    harm: 'a kill_timeout of PM2 5 or 6 is not noticed',
    file: 'module/recorder/daemonLog.ts',
    find: 'ms, sending .*SIGKILL/',
    replace: 'ms, sending SIGKILL/',
    tests: [LINES],
  },
  {
    harm: 'an exit that PM2 was asked for is recorded twice',
    file: 'module/recorder/recorder.ts',
    find: 'if (remembered.has(key)) return;',
    replace: '',
    tests: [EXITS],
  },
  {
    harm: 'an exit during a restart of the module is never told',
    file: 'module/recorder/unwatched.ts',
    find: 'if (gone.length === 0) return;',
    replace: 'if (gone.length >= 0) return;',
    tests: [UNWATCHED],
  },
  {
    harm: 'a process that lives on after its daemon is told as ended',
    file: 'module/recorder/unwatched.ts',
    find: 'filter((each) => !isRunning(each) && !isRecorded',
    replace: 'filter((each) => !isRecorded',
    tests: [UNWATCHED],
  },
];
