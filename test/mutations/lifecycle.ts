// The lifecycle that apps import: the order of things, and gone before SIGKILL.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const LEAVE = 'test/lifecycle/leave.test.ts';
const TIMES = 'test/lifecycle/times.test.ts';
const START = 'test/lifecycle/start.test.ts';
const SECOND = 'test/lifecycle/secondSignal.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'a service uses all of kill_timeout: SIGKILL comes before it has closed',
    file: 'lifecycle/times.ts',
    find: 'exitMs: exitDeadlineMs(killTimeoutMs)',
    replace: 'exitMs: killTimeoutMs * 2',
    tests: [TIMES],
  },
  {
    harm: 'the drain leaves its resources no time to close',
    file: 'lifecycle/times.ts',
    find: 'drainMs: closeMs - reservedMs',
    replace: 'drainMs: closeMs',
    tests: [TIMES],
  },
  {
    harm: 'resources are closed in the order in which they were opened: the pool before what uses it',
    file: 'lifecycle/resources.ts',
    find: 'let resource = this.#opened.pop(); resource !== undefined; resource = this.#opened.pop()',
    replace: 'let resource = this.#opened.shift(); resource !== undefined; resource = this.#opened.shift()',
    tests: [LEAVE],
  },
  {
    harm: 'one resource that never closes takes the time of all others',
    file: 'lifecycle/resources.ts',
    find: '/ (this.#opened.length + 1);',
    replace: '/ 1;',
    tests: [LEAVE],
  },
  {
    harm: 'a service says ready before it listens',
    file: 'lifecycle/service.ts',
    find: '      await untilListening(this.#servers, signal);\n',
    replace: '',
    tests: [START],
  },
  {
    harm: 'a service without kill_timeout takes longer than PM2 waits',
    file: 'lifecycle/times.ts',
    find: 'return env.pm_id === undefined ? DOCKER_GRACE_MS : PM2_KILL_TIMEOUT_MS;',
    replace: 'return DOCKER_GRACE_MS;',
    tests: [START],
  },
  {
    harm: 'the Ctrl-C that terminal and PM2 both deliver counts as two, and cuts requests off',
    file: 'drain/signals.ts',
    find: 'const SAME_SIGNAL_MS = 100;',
    replace: 'const SAME_SIGNAL_MS = 0;',
    tests: [SECOND],
  },
  {
    harm: 'PM2’s SIGINT after its shutdown message cuts requests off',
    file: 'drain/signals.ts',
    find: 'firstMs ??= nowMs;',
    replace: 'firstMs ??= 0;',
    tests: [SECOND],
  },
  {
    harm: 'a service that could not start exits with 0: PM2 takes it for done',
    file: 'lifecycle/service.ts',
    find: 'this.#log.error(`start failed: ${messageAndPlaceOf(error)}`);\n    this.#exitAfterwards(1);',
    replace: 'this.#log.error(`start failed: ${messageAndPlaceOf(error)}`);\n    this.#exitAfterwards(0);',
    tests: ['test/lifecycle/startFailure.test.ts'],
  },
  {
    harm: 'what was opened stays open when the start fails',
    file: 'lifecycle/resources.ts',
    find: '        await unlessAborted(signal, () => opening);\n        this.#opened.push(resource);',
    replace: '        await unlessAborted(signal, () => opening);',
    tests: ['test/lifecycle/startFailure.test.ts'],
  },
  {
    harm: 'a service that exits says that it is ready',
    file: 'lifecycle/service.ts',
    find: "if (this.state !== 'serving') return { ready: false, state: this.state, checks: [] };",
    replace: '',
    tests: ['test/lifecycle/readiness.test.ts'],
  },
  {
    harm: 'an error that the app did not catch ends the service with 0',
    file: 'lifecycle/service.ts',
    find: "    this.#exitAfterwards(1);\n    void this.#stopOnce('uncaught error');",
    replace: "    this.#exitAfterwards(0);\n    void this.#stopOnce('uncaught error');",
    tests: ['test/lifecycle/uncaughtError.test.ts'],
  },
];
