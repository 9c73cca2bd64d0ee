// What runs inside every managed process: it must not be noticed, must always answer, and must be able to leave.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const HIDING = 'test/agent/hiding.test.ts';
const UNSEEN = 'test/agent/unseen.test.ts';
const HARMLESS = 'test/agent/harmless.test.ts';
const LEASE = 'test/agent/lease.test.ts';
const PARAMS = 'test/contract/params.test.ts';
const REPLACED = 'test/agent/replaced.test.ts';
const GRACEFUL = 'test/agent/graceful.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'beside fake timers no deadline of the agent ever comes',
    file: 'agent/realm/globals.ts',
    find: '/^class Timeout\\b/.test(sourceOf(found))',
    replace: 'false',
    tests: [REPLACED],
  },
  {
    harm: 'zone.js makes a task of each listener of the agent',
    file: 'agent/realm/globals.ts',
    find: 'methods[name] ?? (Reflect.get(target, name, target) as unknown)',
    replace: 'Reflect.get(target, name, target) as unknown',
    tests: [REPLACED],
  },
  {
    harm: 'an app that hears no message is shown as attached',
    file: 'agent/agent.ts',
    find: 'if (channel?.calledBack() !== false) return;',
    replace: 'return;',
    tests: [REPLACED],
  },
  {
    harm: 'a script that has done its work never ends, because the agent listens to messages',
    file: 'agent/channel.ts',
    find: 'control()?.unrefCounted?.();',
    replace: '',
    tests: [HARMLESS],
  },
  {
    harm: 'an app that listens to messages late never gets those that came before',
    file: 'agent/channel.ts',
    find: 'if (!heard(message)) giveBack(listener, message, handle);',
    replace: 'heard(message);',
    tests: [HARMLESS],
  },
  {
    harm: 'an app that listens to messages itself gets a trigger of ours, and ends of it',
    file: 'agent/hiding.ts',
    find: "if (args[0] === 'message' && hook.take?.(args[1])) return true;",
    replace: '',
    tests: [HIDING],
  },
  {
    harm: 'an action of the app by a library of PM2 is never called, because it has a name of ours',
    file: 'agent/hiding.ts',
    find: 'return !appTakesActions() && take(message);',
    replace: 'return take(message);',
    tests: [HIDING],
  },
  {
    harm: 'workers of an app that loads the agent itself send it messages of ours',
    file: 'agent/index.ts',
    find: '  if (isChild) return;',
    replace: '',
    tests: [UNSEEN],
  },
  {
    harm: 'an agent of 0.1 stays, to which the module speaks and which hears nothing',
    file: 'agent/index.ts',
    find: ' && agent.unseen',
    replace: '',
    tests: [UNSEEN],
  },
  {
    harm: 'the module speaks to agents by messages that the app sees',
    file: 'contract/agentMessages.ts',
    find: "'NODE_PM2_OPS'",
    replace: "'PM2_OPS'",
    tests: [UNSEEN],
  },
  {
    harm: 'a lease of the past takes every agent out at once: a machine that slept has none left',
    file: 'agent/lease.ts',
    find: 'if (staleChecks >= 2) {',
    replace: 'if (staleChecks >= 1) {',
    tests: ['test/agent/leaseWatch.test.ts'],
  },
  {
    harm: 'an agent whose module is gone stays for ever',
    file: 'agent/lease.ts',
    find: 'onExpired();',
    replace: '',
    tests: [LEASE],
  },
  {
    harm: 'a drained instance whose module is gone never serves again',
    file: 'agent/agent.ts',
    find: 'await engine.dispose();',
    replace: '',
    tests: [LEASE],
  },
  {
    harm: 'after the agent has left, pm2 trigger waits for ever',
    file: 'agent/stub.ts',
    find: 'return trigger && names.has(trigger.action) ? trigger : undefined;',
    replace: 'return trigger && !names.has(trigger.action) ? trigger : undefined;',
    tests: [LEASE],
  },
  {
    harm: 'a parameter that is given twice counts once, whichever',
    file: 'contract/params.ts',
    find: 'if (Object.hasOwn(params, name)) return `parameter "${name}" is given twice`;',
    replace: '',
    tests: [PARAMS],
  },
  {
    harm: 'a name that every object has is taken for a parameter',
    file: 'contract/params.ts',
    find: 'Object.hasOwn(specs, name) ? specs[name] : undefined',
    replace: 'specs[name]',
    tests: [PARAMS],
  },
  {
    harm: 'a timeout above the longest is accepted',
    file: 'contract/params.ts',
    find: ' || number > max',
    replace: '',
    tests: [PARAMS],
  },
  {
    harm: 'an app that handles SIGINT itself is drained beside its own handler',
    file: 'agent/graceful.ts',
    find: 'if (appHandlesSignal(signal)) return;',
    replace: '',
    tests: [GRACEFUL],
  },
  {
    harm: 'a second Ctrl-C does not end an app that drains',
    file: 'agent/graceful.ts',
    find: 'else if (again) dieOf(signal);',
    replace: '',
    tests: [GRACEFUL],
  },
  {
    harm: 'an app with signal-exit in it is taken for one with a handler of its own, and drops its requests',
    file: 'agent/listeners.ts',
    find: 'PASSES_SIGNAL_ON.every(',
    replace: '!PASSES_SIGNAL_ON.every(',
    tests: [GRACEFUL],
  },
  {
    harm: 'an agent that is told to leave while its process drains brings the servers back',
    file: 'agent/agent.ts',
    find: 'if (graceful.exiting()) return new Promise(() => {});',
    replace: '',
    tests: ['test/agent/leaving.test.ts'],
  },
  {
    harm: 'nothing keeps a process alive until it has drained, and nothing ends it when its time is over',
    file: 'agent/graceful.ts',
    find: 'setTimeout(() => process.exit(0), exitDeadlineMs(killTimeoutMs));',
    replace: '',
    tests: [GRACEFUL],
  },
  {
    harm: 'memory that rises for certain is not told',
    file: 'diagnostics/memoryTrend.ts',
    find: 'rising: low > 0 && chance < RISES_BY_CHANCE',
    replace: 'rising: low > 0 && chance > RISES_BY_CHANCE',
    tests: ['test/diagnostics/memoryTrend.test.ts'],
  },
];
