// Sockets that are held over a restart: no client is refused, no port is kept from anybody, and every app starts.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const BROKEN = 'test/module/door/broken.test.ts';
const CLIENTS = 'test/module/door/clients.test.ts';
const ITSELF = 'test/module/door/itself.test.ts';
const FREED = 'test/module/door/freed.test.ts';
const HAND_OVER = 'test/module/door/handOver.test.ts';
const RELOAD = 'test/module/operations/reload/forkMode.test.ts';
const RESTART = 'test/module/door/restart.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'clients are refused while an app restarts, as without the module',
    file: 'module/door/doors.ts',
    find: 'if (fleet.get(id)?.exits || starting.isShared(id)) return;',
    replace: '',
    tests: [RESTART],
  },
  {
    harm: 'a restart counts as a stop where PM2 was asked for its list meanwhile',
    file: 'module/door/doors.ts',
    find: " && status !== 'stopping'",
    replace: '',
    tests: [RESTART],
  },
  {
    harm: 'the port of an app that was stopped stays taken',
    file: 'module/door/doors.ts',
    find: 'if (isStopped || isFinal) drop(id);',
    replace: 'if (isFinal) drop(id);',
    tests: [FREED],
  },
  {
    harm: 'a process that PM2 starts without the door is refused its own port',
    file: 'module/door/doors.ts',
    find: 'else if (!next.some(isDoorImport) && !itself.has(id))',
    replace: 'else if (false)',
    tests: [FREED],
  },
  {
    harm: 'an app that the door is kept out of never starts again',
    file: 'module/door/doors.ts',
    find: 'else if ((cameMs.get(id) ?? 0) < startedAt)',
    replace: 'else if (false)',
    tests: [FREED],
  },
  {
    harm: 'clients of a drained app wait for nobody',
    file: 'module/door/doors.ts',
    find: "if (state === 'drained') drained(Number(pmId), pid);",
    replace: "if (state === 'drained') return;",
    tests: [FREED],
  },
  {
    harm: 'an address at which nobody listens any more stays open for ever',
    file: 'module/door/doors.ts',
    find: 'sockets.idleMs(id, at) >= limitMs',
    replace: 'false',
    tests: [FREED],
  },
  {
    harm: 'what the next module holds is only what is listened on anew',
    file: 'module/door/doors.ts',
    find: 'itself.set(Number(pmId), pid);\n    holdPrepared(pmId);',
    replace: 'itself.set(Number(pmId), pid);',
    tests: [BROKEN],
  },
  {
    harm: 'a module that hangs keeps an app from starting',
    file: 'agent/door/hungModule.ts',
    find: "process.kill(pid, 'SIGKILL');",
    replace: '',
    tests: [BROKEN],
  },
  {
    harm: 'children of an app start with the door',
    file: 'agent/door/preload.ts',
    find: 'execArgv.splice(at, 1)',
    replace: 'void at',
    tests: [BROKEN],
  },
  {
    harm: 'Node warns in an app that runs with --pending-deprecation',
    file: 'shared/ipc/bindings.ts',
    find: '!/\\binternalBinding\\b/.test(Function.prototype.toString.call(binding))',
    replace: 'false',
    tests: [FREED],
  },
  {
    harm: 'an app that closes its server cannot listen there again',
    file: 'agent/door/listen.ts',
    find: 'inTheWay.length > 0 || wanted.some((each) => known.has(each));',
    replace: 'inTheWay.length > 0;',
    tests: [HAND_OVER],
  },
  {
    harm: 'an app that names its address in another way than the kernel is refused its own port',
    file: 'agent/door/addresses.ts',
    find: 'return new URL(`http://[${address}]`).hostname;',
    replace: 'return `[${address}]`;',
    tests: [CLIENTS],
  },
  {
    harm: 'the kernel gives connections to a held socket that shares its port, and nobody takes them',
    file: 'agent/door/lazy.ts',
    find: 'const isShared = bindError({',
    replace: 'const isShared = false && bindError({',
    tests: [HAND_OVER],
  },
  {
    harm: 'an app that loads the agent itself refuses its clients while it restarts',
    file: 'agent/door/itself.ts',
    find: '} else door.take(answer.held, answer.limitMs);',
    replace: '}',
    tests: [ITSELF],
  },
  {
    harm: 'a next module does not hold the sockets of apps that load the agent themselves',
    file: 'module/door/doors.ts',
    find: 'if (fleet.get(pmId)?.loadsDoor) itself.set(Number(pmId), pid);',
    replace: '',
    tests: [ITSELF],
  },
  {
    harm: 'a listen that comes before the answer of the module is refused the port that is held',
    file: 'agent/door/listen.ts',
    find: 'if (asking && wanted.length > 0',
    replace: 'if (asking && wanted.length < 0',
    tests: [ITSELF],
  },
  {
    harm: 'each restart of an app that loads the agent after it has listened fails once',
    file: 'agent/door/itself.ts',
    find: 'if (doorOfProcess() || listensAlready()) return;',
    replace: 'if (doorOfProcess()) return;',
    tests: [ITSELF],
  },
  {
    harm: 'a worker of a cluster asks for sockets that are not its own',
    file: 'agent/door/itself.ts',
    find: '!isMainThread || cluster.isWorker ||',
    replace: '!isMainThread ||',
    tests: [ITSELF],
  },
  {
    harm: 'an app that loads the agent itself does not start while the module hangs',
    file: 'agent/door/listen.ts',
    find: 'isUnsure = isOpen && !isAnswered;',
    replace: '',
    tests: [ITSELF],
  },
  {
    harm: 'a process that is restarted as soon as it serves cuts the requests that it is answering',
    file: 'agent/door/preload.ts',
    find: 'if (!isUnsure && answer.agent) startAgent(folder, answer.agent);',
    replace: '',
    tests: [CLIENTS],
  },
  {
    harm: 'an app that the settings exclude gets an agent at its start',
    file: 'module/agents/optionsAtStart.ts',
    find: ' || leftAlone(member, settings, fleet)',
    replace: '',
    tests: ['test/module/agents/optionsAtStart.test.ts'],
  },
  {
    harm: 'a prepared app gets an agent although the setting attach is off',
    file: 'module/agents/optionsAtStart.ts',
    find: " || (settings.attach === 'off' && !itself)",
    replace: '',
    tests: ['test/module/agents/optionsAtStart.test.ts'],
  },
  {
    harm: 'an app that moves to another address of its port is refused that by its own socket',
    file: 'agent/door/listen.ts',
    find: 'else if (inTheWay.length > 0) await leave(inTheWay);',
    replace: '',
    tests: [FREED],
  },
  {
    harm: 'any user may come to the socket of the door',
    file: 'module/door/doorServer.ts',
    find: 'chmodSync(path, 0o600)',
    replace: 'chmodSync(path, 0o666)',
    tests: [FREED],
  },
  {
    harm: 'a reload starts an instance without the socket that it is to take over',
    file: 'module/operations/reload/replaceInstance.ts',
    find: 'nodeArgs: sockets.nodeArgsOf(pmId)',
    replace: 'nodeArgs: undefined',
    tests: [RELOAD],
  },
  {
    harm: 'a bad deploy leaves the port taken for the next process',
    file: 'module/operations/reload/sharedSockets.ts',
    find: 'for (const pmId of held) doors.release(pmId);',
    replace: '',
    tests: [RELOAD],
  },
  {
    harm: 'after a module was killed in a reload, a drained process stays drained',
    file: 'module/operations/reload/interruptedReload.ts',
    find: 'canary === undefined ? [] : old.map(({ pmId }) => parts.doors.expectBeside(canary, pmId))',
    replace: '[] as (() => void)[]',
    tests: [RELOAD],
  },
  {
    harm: 'a successor that starts without a module fails, because the canary has its port',
    file: 'agent/door/unfinishedReload.ts',
    find: 'return existsSync(join(folder, RELOADS_FILE));',
    replace: 'return folder === RELOADS_FILE && existsSync(join(folder));',
    tests: [RELOAD],
  },
];
