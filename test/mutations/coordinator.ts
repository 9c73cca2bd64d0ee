// Decisions over several instances: never the last one that serves, one dump at a time, no bad deploy in a good one's place.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const COORDINATOR = 'test/module/coordinator/coordinator.test.ts';
const RELOAD = 'test/module/coordinator/reload.test.ts';
const STAND_INS = 'test/module/coordinator/standIns.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'the last instance that serves is drained',
    file: 'module/coordinator/coordinator.ts',
    find: 'if (serving.length === 0 && ask.params.force !== true) {',
    replace: 'if (siblings.length === 0 && ask.params.force !== true) {',
    tests: [COORDINATOR],
  },
  {
    harm: 'force does not drain the last instance',
    file: 'module/coordinator/coordinator.ts',
    find: 'if (serving.length === 0 && ask.params.force !== true) {',
    replace: 'if (serving.length === 0) {',
    tests: [COORDINATOR],
  },
  {
    harm: 'instances that are asked all at once all drain',
    file: 'module/coordinator/coordinator.ts',
    find: 'draining.has(process.pid)',
    replace: 'draining.has(-1)',
    tests: [COORDINATOR],
  },
  {
    harm: 'a process that PM2 is about to end (_old_) counts as serving',
    file: 'module/coordinator/coordinator.ts',
    find: "String(process.pmId).startsWith('_old_')",
    replace: 'false',
    tests: [COORDINATOR],
  },
  {
    harm: 'a process that still boots counts as serving',
    file: 'module/coordinator/coordinator.ts',
    find: "if (attachment.is === 'waiting' && STARTING_CODES.has(attachment.code)) return false;",
    replace: '',
    tests: [COORDINATOR],
  },
  {
    harm: 'a dump by name is that of the smallest heap',
    file: 'module/coordinator/coordinator.ts',
    find: 'b.ask.heapUsed - a.ask.heapUsed',
    replace: 'a.ask.heapUsed - b.ask.heapUsed',
    tests: [COORDINATOR],
  },
  {
    harm: 'an instance that was busy and hears of a dump late makes one of its own',
    file: 'module/coordinator/coordinator.ts',
    find: 'own.chosen && Date.now() < own.chosen.untilMs',
    replace: 'own.chosen && Date.now() < 0',
    tests: [COORDINATOR],
  },
  {
    harm: 'two instances of an app dump at the same time',
    file: 'module/coordinator/coordinator.ts',
    find: 'if (own.running) return;',
    replace: '',
    tests: [COORDINATOR],
  },
  {
    harm: 'a dump begins in the middle of a reload, which ends it',
    file: 'module/coordinator/coordinator.ts',
    find: 'if (reloading(app)) {',
    replace: 'if (reloading(`not ${app}`)) {',
    tests: [COORDINATOR],
  },
  {
    harm: 'a process that dies holds up the dumps of its siblings',
    file: 'module/coordinator/coordinator.ts',
    find: 'finish((ask) => ask.pid === pid);',
    replace: '',
    tests: [COORDINATOR],
  },
  {
    harm: 'a predecessor is taken for the successor that has come up',
    file: 'module/coordinator/readiness.ts',
    find: 'if (pid === 0 && formerPid !== undefined && process.pid === formerPid) return false;',
    replace: '',
    tests: ['test/module/coordinator/readiness.test.ts'],
  },
  {
    harm: 'a canary that dies while it has to stay up counts as proven',
    file: 'module/coordinator/rollingReload.ts',
    find: "    this.#progress('canary', `still up after ${settle} ms`);",
    replace: "    canary.pid = 0;\n    this.#progress('canary', `still up after ${settle} ms`);",
    tests: [RELOAD],
  },
  {
    harm: 'an instance is handed to PM2 before it was drained',
    file: 'module/coordinator/rollingReload.ts',
    find: 'const drain = wasOnline ? await this.#drain(pmId) : undefined;',
    replace: 'const drain = wasOnline && this.#isFork() ? await this.#drain(pmId) : undefined;',
    tests: [RELOAD],
  },
  {
    harm: 'a connection that PM2 handed over before it heard of the drain waits for ever',
    file: 'module/coordinator/rollingReload.ts',
    find: 'if (member) await this.parts.askState(member);',
    replace: '',
    tests: [RELOAD],
  },
  {
    harm: 'the canary of a reload that failed stays behind',
    file: 'module/coordinator/rollingReload.ts',
    find: "        this.#progress('undo', `the canary (id ${this.#canary.pmId}) goes`);\n        await this.#removeCanary();",
    replace: "        this.#progress('undo', `the canary (id ${this.#canary.pmId}) goes`);",
    tests: [RELOAD],
  },
  {
    harm: 'an instance that was drained by a reload that failed stays drained',
    file: 'module/coordinator/rollingReload.ts',
    find: 'for (const pmId of this.#drained) await this.#resume(pmId);',
    replace: '',
    tests: [RELOAD],
  },
  {
    harm: 'a module that is killed in the middle of a reload leaves its canary',
    file: 'module/coordinator/rollingReload.ts',
    find: 'this.parts.journal.write(entry);',
    replace: '',
    tests: [RELOAD],
  },
  {
    harm: 'an error page counts as healthy',
    file: 'module/coordinator/health.ts',
    find: 'statusCode >= 200 && statusCode < 300',
    replace: 'statusCode >= 200',
    tests: [RELOAD],
  },
  {
    harm: 'a reload of PM2 at the same time is not noticed: both replace the same instances',
    file: 'module/coordinator/rollingReload.ts',
    find: 'if (ours && !this.#reloadedByPm2.has(id)) this.#overlap',
    replace: 'if (ours && this.#reloadedByPm2.has(id)) this.#overlap',
    tests: [RELOAD],
  },
  {
    harm: 'a sibling that was added for a dump stays when its module has died',
    file: 'module/coordinator/standIns.ts',
    find: 'if (othersServe(member)) void end(pmId);',
    replace: '',
    tests: [STAND_INS],
  },
  {
    harm: 'a sibling that was added for a dump is ended with requests in flight',
    file: 'module/coordinator/standIns.ts',
    find: "if (!drain.ok && drain.code !== 'E_NO_SERVER') return false;",
    replace: 'if (drain.ok) return false;',
    tests: [STAND_INS],
  },
];
