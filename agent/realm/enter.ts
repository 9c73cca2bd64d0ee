// Gives the agent a realm of its own. An app may have replaced or frozen every built-in of its own realm (zone.js, bluebird, SES,
// `JSON.stringify = …`), and would notice their use; those of a new realm are untouched. The code of this file runs in the app's
// realm, so it uses nothing but syntax and Node's own modules.
import type { AgentOptions } from '../../contract/agentMessages.ts';

interface Agent {
  knock(): void;
  begin(options: AgentOptions): void;
}

/** Makes a realm with the agent in it. @param source the bundle of the agent */
export function enter(source: string): Agent {
  const builtIn = (process as { getBuiltinModule?: (id: string) => unknown }).getBuiltinModule;
  // Better than `require`, because instrumentation that hooks it patches the modules it loads.
  const load = typeof builtIn === 'function' ? builtIn : require;
  const vm = load('node:vm') as typeof import('node:vm');
  // Without a prototype, because names that the app has put on Object.prototype would become globals.
  const own = vm.createContext({ __proto__: null }, { __proto__: null, name: 'pm2-ops' } as object);
  const run = (code: string, filename: string): unknown =>
    new vm.Script(code, { __proto__: null, filename } as object).runInContext(own);
  const module = { exports: {} as Agent };
  const agent = run(
    `(function (module, exports, require, process, Buffer, globalThis, run) {${source}\n})`,
    'pm2-ops:agent',
  ) as (...args: unknown[]) => void;
  const { Buffer } = load('node:buffer') as typeof import('node:buffer');
  agent(module, module.exports, load, load('node:process'), Buffer, globalThis, run);
  return module.exports;
}
