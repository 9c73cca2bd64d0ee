// The flight recorder: it must not change what the app does at its end, and must not lie.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const WORDS = 'test/agent/flight/lastWords.test.ts';
const FIGURES = 'test/agent/flight/figures.test.ts';
const HEAP = 'test/agent/flight/heapReport.test.ts';
const RING = 'test/module/figures/ring.test.ts';
const STATE = 'test/module/state/state.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'a rejection that Node throws is swallowed, because the recorder listens to it',
    file: 'agent/flight/faults.ts',
    find: 'listener !== onRejection && !isHandledByOthers()) leaveRejections();',
    replace: 'false) leaveRejections();',
    tests: [WORDS],
  },
  {
    harm: 'a process without a listener to rejections goes on after one',
    file: 'agent/flight/faults.ts',
    find: 'if (isHandledByOthers()) joinRejections();',
    replace: 'joinRejections();',
    tests: [WORDS],
  },
  {
    harm: 'an exception that the app has handled stays as the last words of a process that goes on',
    file: 'agent/flight/recorder.ts',
    find: 'else takeBack();',
    replace: '',
    tests: [WORDS],
  },
  {
    harm: 'an exit listener of the app that throws makes an exit call an exception',
    file: 'agent/flight/recorder.ts',
    find: 'if (exiting) return;',
    replace: '',
    tests: [WORDS],
  },
  {
    harm: 'zone.js makes a task of each request, because the recorder listens to its response',
    file: 'agent/flight/requests.ts',
    find: "listenUnseen(response, 'close', onClose);",
    replace: "response.on('close', onClose);",
    tests: ['test/agent/replaced.test.ts'],
  },
  {
    harm: 'the recorder goes on counting when its agent has left',
    file: 'agent/flight/requests.ts',
    find: 'for (const [from, listener] of subscriptions) from.unsubscribe(listener);',
    replace: '',
    tests: [FIGURES],
  },
  {
    harm: 'a script that has done its work never ends, because the recorder measures its event loop',
    file: 'agent/flight/recorder.ts',
    find: 'setInterval(tick, MEASURED_EVERY_MS).unref()',
    replace: 'setInterval(tick, MEASURED_EVERY_MS)',
    tests: [FIGURES],
  },
  {
    harm: 'on a full disk the figures are half a file that is never removed',
    file: 'agent/flight/ring.ts',
    find: 'if (written !== bytes.byteLength)',
    replace: 'if (written < 0)',
    tests: [FIGURES],
  },
  {
    harm: 'figures are written into the file of an app that has closed their descriptor',
    file: 'agent/flight/ring.ts',
    find: 'return dev === own.dev && ino === own.ino;',
    replace: 'return true;',
    tests: [RING],
  },
  {
    harm: "an app's own reports of fatal errors go to a folder of ours",
    file: 'agent/flight/heapReport.ts',
    find: 'if (!report || isAppsOwn(report)) return undefined;',
    replace: 'if (!report) return undefined;',
    tests: [HEAP],
  },
  {
    harm: "an app's own reports go to a folder of ours long after its heap was nearly full",
    file: 'agent/flight/heapReport.ts',
    find: 'else disarm();',
    replace: '',
    tests: [HEAP],
  },
  {
    harm: 'the report of a full heap keeps the environment, with its secrets',
    file: 'module/figures/heapReport.ts',
    find: 'const kept = withoutSecrets(report);',
    replace: 'const kept = report;',
    tests: [HEAP],
  },
  {
    harm: 'a figure that cannot be, which a process has written itself, is passed on',
    file: 'module/figures/ring.ts',
    find: 'return undefined;',
    replace: '{}',
    tests: [RING],
  },
  {
    harm: 'a sample that is half written is passed on',
    file: 'module/figures/ring.ts',
    find: 'bytes.readDoubleLE(start + SAMPLE_BYTES) !== at',
    replace: 'false',
    tests: [RING],
  },
  {
    harm: 'the record of a process that has just ended is swept before anybody has read it',
    file: 'module/state/state.ts',
    find: 'if (Date.now() - leftAt > keptMs)',
    replace: 'if (leftAt >= 0)',
    tests: [STATE],
  },
];
