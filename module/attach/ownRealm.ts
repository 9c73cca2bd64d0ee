// Code that is evaluated inside an app runs in a realm of its own: an app may have replaced any built-in of its realm, timers
// included, and would notice our calls of those.

import { AGENT_URL } from '../../contract/names.ts';

/**
 * Node's own timer, carrying whatever asynchronous context it is made in. Its class is had from the idle time of a socket,
 * which is inside Node: `setTimeout` may be a fake, under which the time never comes.
 */
export const OWN_TIMERS = `function newTimer(run, ms) {
  try {
    var socket = { _onTimeout: function () {} };
    Reflect.apply(require('node:net').Socket.prototype.setTimeout, socket, [1e9]);
    var timer = socket[Object.getOwnPropertySymbols(socket).find(function (symbol) { return symbol.description === 'timeout'; })];
    timer.close();
    return new timer.constructor(run, ms, undefined, false, true);
  } catch (_) {
    return require('node:timers').setTimeout(run, ms);
  }
}
// It carries nothing over from what is running.
function detach(timer) {
  var detached = parseInt(process.versions.node, 10) < 24;
  Object.getOwnPropertySymbols(timer).forEach(function (symbol) {
    if (symbol.description === 'kResourceStore') delete timer[symbol];
    if (symbol.description === 'kAsyncContextFrame') { timer[symbol] = undefined; detached = true; }
  });
  return detached;
}`;

const CONSOLE_REQUIRE = "typeof require === 'function' ? require : null";

/**
 * An expression that runs a function in a realm of its own, which is made for that, and returns what it returns.
 * @param body of the function; it has `require` (of Node's modules), `process`, `Buffer` and `realm`, and what is passed to it
 * @param passed one more argument, an expression in the app's realm, and its name
 */
export function inOwnRealm(body: string, passed = { name: 'nothing', expression: 'undefined' }): string {
  const code = `(function (require, process, Buffer, realm, ${passed.name}) {\n${body}\n})`;
  return `(function (fromConsole) {
  var load = process.getBuiltinModule;
  if (typeof load !== 'function') load = fromConsole || function (id) { return process.mainModule.require(id); };
  var vm = load('node:vm');
  var realm = vm.createContext({ __proto__: null }, { __proto__: null, name: 'pm2-ops' });
  var run = new vm.Script(${JSON.stringify(code)}, { __proto__: null, filename: '${AGENT_URL}' }).runInContext(realm);
  return run(load, load('node:process'), load('node:buffer').Buffer, realm, ${passed.expression});
})(${CONSOLE_REQUIRE})`;
}
