// Getting into a process without harming it: which processes may be signalled, when, and that everything is closed again.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const ATTACH = 'test/module/attach/attach.test.ts';
const QUALIFY = 'test/module/attach/qualify.test.ts';
const PORTS = 'test/module/attach/ports.test.ts';
const BUSY = 'test/module/attach/busy.test.ts';
const CLOSING = 'test/module/attach/closing.test.ts';
const DEATH = 'test/module/attach/death.test.ts';
const LOCK = 'test/module/attach/lock.test.ts';
const WORKERS = 'test/module/attach/clusterWorkers.test.ts';
const REAL = 'test/shared/realProcess.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'an app runs what somebody has put in the place of the agent since',
    file: 'module/attach/in-target.ts',
    find: ' || stat.mtimeMs !== file.mtimeMs',
    replace: '',
    tests: [ATTACH],
  },
  {
    harm: 'a process that took the pid of another in the last moment gets its signal',
    file: 'module/attach/signal.ts',
    find: 'if (!same(fit, candidate)) {',
    replace: 'if (false) {',
    tests: [DEATH],
  },
  {
    harm: 'a primary that forked in the last moment hands the signal on to its workers',
    file: 'module/attach/signal.ts',
    find: 'failIfPrimary(pid);\n    signal(pid);',
    replace: 'signal(pid);',
    tests: [WORKERS],
  },
  {
    harm: 'workers that come online after the signal get it from their primary',
    file: 'module/attach/visit.ts',
    find: 'await spareWorkers(session, pid, proof);',
    replace: '',
    tests: [WORKERS],
  },
  {
    harm: 'a worker that was signalled keeps its inspector open',
    file: 'module/attach/lateProcesses.ts',
    find: 'for (const worker of pendingOfWorkers(pending.pid)) {',
    replace: 'for (const worker of pendingOfWorkers(0)) {',
    tests: [WORKERS],
  },
  {
    harm: 'a worker that was signalled keeps its inspector open when the module dies',
    file: 'module/attach/guard.ts',
    find: 'await Promise.all(pendingOfWorkers(pending.pid).map(closeWhenOpen));',
    replace: '',
    tests: [WORKERS],
  },
  {
    harm: 'an inspector that a worker was started with is closed',
    file: 'module/attach/journal.ts',
    find: '.filter((worker) => !wasToldToInspect(worker.pid))',
    replace: '',
    tests: [WORKERS],
  },
  {
    harm: 'whoever squats on the name of the lock delays every attach',
    file: 'module/attach/lock.ts',
    find: 'if (holder !== null && squatters.has(holder)) return null;',
    replace: '',
    tests: [LOCK],
  },
  {
    harm: 'an app with a helper that listens is taken for its wrapper',
    file: 'shared/realProcess.ts',
    find: 'if (family.length === 0 || listens || serves(pid)) return null;',
    replace: 'if (family.length === 0) return null;',
    tests: [REAL],
  },
  {
    harm: 'an app with a helper that can be debugged is taken for its wrapper',
    file: 'shared/realProcess.ts',
    find: 'if (wasToldToInspect(pid) && mine.length === 1) return [];',
    replace: '',
    tests: [REAL],
  },
  {
    harm: 'a wrapper that listens for its own child counts as serving',
    file: 'agent/wrapper.ts',
    find: 'addresses.some(({ at }) => !isPrivate(at))',
    replace: 'true',
    tests: [REAL],
  },
  {
    harm: 'a program that is not Node gets SIGUSR1, which ends it',
    file: 'module/attach/qualify.ts',
    find: 'if (inspectBinary(`/proc/${pid}/exe`).isNode) return null;',
    replace: 'return null;',
    tests: [QUALIFY],
  },
  {
    harm: 'a Node that does not catch SIGUSR1 (booting, or told not to) gets it and dies',
    file: 'module/attach/qualify.ts',
    find: 'if ((status.caught & SIGUSR1_CAUGHT) === 0n)',
    replace: 'if ((status.caught & SIGUSR1_CAUGHT) === 1n)',
    tests: [QUALIFY],
  },
  {
    harm: "an app's own SIGUSR1 handler is called",
    file: 'module/attach/qualify.ts',
    find: "if (own === 'yes') {",
    replace: "if (own === 'yes' && status.uid < 0) {",
    tests: [QUALIFY],
  },
  {
    harm: 'a handler that hangs deep in the tree of signals is overlooked',
    file: 'shared/linux/processMemory.ts',
    find: 'child(node, RIGHT, next.address);',
    replace: '',
    tests: [QUALIFY],
  },
  {
    harm: 'a process whose handlers cannot be read is signalled again and again',
    file: 'module/attach/signal.ts',
    find: 'if (candidate.blind && journal.wasSignalledOnce(candidate)) {',
    replace: 'if (candidate.blind && journal.wasSignalledOnce({ ...candidate, pid: 0 })) {',
    tests: [QUALIFY],
  },
  {
    harm: 'a process that is stopped (a native debugger holds it) is signalled',
    file: 'module/attach/qualify.ts',
    find: "stat.state === 'T' || stat.state === 't'",
    replace: "stat.state === 't'",
    tests: [QUALIFY],
  },
  {
    harm: 'a process in a network of its own is signalled, whose inspector nobody can close',
    file: 'module/attach/qualify.ts',
    find: "network !== null && network !== readLink('/proc/self/ns/net')",
    replace: 'network === null',
    tests: [PORTS],
  },
  {
    harm: 'an app with a `process` of its own keeps its inspector open',
    file: 'module/attach/closing.ts',
    find: 'if (proof.builtin !== true) proof = await ask(PROOF_BY_CONSOLE, true);',
    replace: '',
    tests: ['test/module/attach/ownProcess.test.ts'],
  },
  {
    harm: 'whoever answers on the port is believed to be the process',
    file: 'module/attach/closing.ts',
    find: 'if (expected === undefined || proof.pid !== expected) return null;',
    replace: 'if (expected === undefined) return null;',
    tests: [CLOSING],
  },
  {
    harm: 'a process is signalled while another program has its inspector port: it writes errors',
    file: 'module/attach/signal.ts',
    find: 'await failIfPortTaken(pid, listening, late.pids());',
    replace: '',
    tests: [PORTS],
  },
  {
    harm: 'an inspector that somebody else opened is closed by us',
    file: 'module/attach/attempt.ts',
    find: '{ proof, closing: null }',
    replace: '{ proof, closing: socket }',
    tests: [PORTS],
  },
  {
    harm: 'the inspector is closed while somebody is connected, which blocks the app until they leave',
    file: 'module/attach/in-target.ts',
    find: 'if (hasConnection(text, port)) again();',
    replace: 'if (false) again();',
    tests: [CLOSING],
  },
  {
    harm: 'the agent is loaded in the middle of a call of the app',
    file: 'module/attach/in-target.ts',
    find: 'if (frames === 1 && !inSomeonesContext()) return load();',
    replace: 'if (!inSomeonesContext()) return load();',
    tests: [BUSY],
  },
  {
    harm: 'a turn of its own keeps the context of the request in which it was asked for',
    file: 'module/attach/in-target.ts',
    find: "if (symbol.description === 'kAsyncContextFrame') { timer[symbol] = undefined; detached = true; }",
    replace: "if (symbol.description === 'kAsyncContextFrame') { detached = true; }",
    tests: [BUSY],
  },
  {
    harm: 'a signal goes out that is in no journal: a module that dies then leaves an inspector open',
    file: 'module/attach/signal.ts',
    find: 'orNoJournal(() => journal.add(pending));',
    replace: '',
    tests: [DEATH],
  },
  {
    harm: 'a signal goes out that the guard knows nothing of: a module that is killed then leaves an inspector open',
    file: 'module/attach/signal.ts',
    find: 'await guardian.watch(pending);',
    replace: '',
    tests: [DEATH],
  },
  {
    harm: 'a signal goes out although no guard runs',
    file: 'module/attach/signal.ts',
    find: '    await guardReady;\n',
    replace: '',
    tests: [DEATH, 'test/module/attach/attach.test.ts'],
  },
  {
    harm: 'two modules on a host attach at the same time, on the same port',
    file: 'module/attach/lock.ts',
    find: 'if (performance.now() >= deadline || signal?.aborted) return null;',
    replace: 'if (performance.now() >= deadline || signal?.aborted) return undefined;',
    tests: ['test/module/attach/lock.test.ts'],
  },
  {
    harm: 'a journal of before the last boot is believed: today’s processes pay for its pids',
    file: 'module/attach/journal.ts',
    find: 'if (content.boot === boot) {',
    replace: 'if (content.boot !== undefined) {',
    tests: ['test/module/attach/journal.test.ts'],
  },
  {
    harm: 'a stack names lines of files that another user’s process points at: they are read as root',
    file: 'module/attach/sourceLines.ts',
    find: 'if (readStatus(pid)?.uid !== process.getuid?.()) return sampling;',
    replace: '',
    tests: ['test/module/attach/sourceLines.test.ts'],
  },
];
