// Apps that put an object of their own in the place of the global `process`, as some sandboxes and test runners do.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { app, attacher, LOAD, NODES, portsOf } from './harness.ts';

/** An app that waits for events, and whose global `process` is that expression. */
const idle = (own: string) => `const real = process;
  real.on('message', () => {});
  process = ${own};
  ${own === 'undefined' ? 'globalThis.process = { send: (message) => { delete globalThis.process; real.send(message); } };' : ''}`;

/** The same, in the middle of a request whenever the module looks. */
const BUSY = `const real = process;
  process = { pid: real.pid, send: (message) => real.send(message) };
  new (require('node:async_hooks').AsyncLocalStorage)().run({}, function spin() {
    for (const end = Date.now() + 30; Date.now() < end; );
    setImmediate(spin);
  });`;

const SEND = 'send: (message) => real.send(message)';
const APPS = {
  'a process without a pid': idle(`{ version: real.version, env: real.env, ${SEND} }`),
  'a process without getBuiltinModule': idle(`{ pid: real.pid, version: real.version, ${SEND} }`),
  'a process of another pid and version': idle(`{ pid: 1, version: 'v4.0.0', ${SEND} }`),
  'no process at all': idle('undefined'),
  'a process of its own, while it is busy': BUSY,
};

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();
  for (const [name, source] of Object.entries(APPS)) {
    test(`Node ${version}: an app with ${name} is attached to, and its inspector is closed`, async () => {
      const { pid, child } = await app(source, { node });
      const { attach } = attacher();
      let outcome = await attach(pid, LOAD);
      // A busy app is put off a few times first.
      for (let tries = 0; !outcome.ok && outcome.code === 'busy' && tries < 5; tries++)
        outcome = await attach(pid, LOAD);
      assert.ok(outcome.ok, JSON.stringify(outcome));
      assert.deepEqual(outcome.value, { pid, argument: LOAD.argument, platform: 'linux' });
      assert.deepEqual(portsOf(pid), []);
      assert.equal(child.exitCode, null);
    });
  }
}
