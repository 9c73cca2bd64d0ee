import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readScript } from '../../../module/attach/index.ts';
import { app, attacher, file, guards, IDLE, journalOf, LOAD, NODES, portsOf, until } from './harness.ts';

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();

  for (const type of ['cjs', 'esm'] as const) {
    test(`Node ${version}: a script gets into a running ${type} app, with require, and the inspector is closed`, async () => {
      const { pid, ask, stderr } = await app(IDLE, { node, type });
      const { attach, stateDir } = attacher();
      const outcome = await attach(pid, LOAD);
      assert.ok(outcome.ok, JSON.stringify(outcome));
      assert.deepEqual(outcome.value, { pid, argument: LOAD.argument, platform: 'linux' });
      assert.equal(outcome.port, 9229);
      assert.ok(outcome.heldMs > 0 && outcome.heldMs < outcome.ms);
      assert.deepEqual(portsOf(pid), []);
      assert.deepEqual(await ask('loaded'), { value: 1 });
      assert.deepEqual(journalOf(stateDir).owed, []);
      // What Node itself writes, and nothing else.
      await until('the last line is there', () => stderr().trim().split('\n').length >= 5);
      assert.deepEqual(
        stderr()
          .trim()
          .split('\n')
          .map((line) => line.replace(/ .*/, '')),
        ['Debugger', 'For', 'Debugger', 'Debugger', 'For'],
      );
    });
  }

  test(`Node ${version}: a script that throws harms nobody, and its error is told`, async () => {
    const { pid, ask } = await app(IDLE, { node });
    const { attach } = attacher();
    const source = "exports.install = () => { throw new TypeError('no such luck'); };";
    const outcome = await attach(pid, { source, argument: null });
    assert.ok(!outcome.ok);
    assert.equal(outcome.code, 'script-failed');
    assert.match(outcome.reason, /TypeError: no such luck/);
    assert.deepEqual(portsOf(pid), []);
    assert.deepEqual(await ask('loaded'), { value: null });
    assert.equal((await attach(pid, LOAD)).ok, true);
  });

  test(`Node ${version}: an app reads the script from its file, and gets the text when that is another file by now`, async () => {
    const { pid } = await app(IDLE, { node });
    const { attach } = attacher();
    const path = file('script.cjs', "exports.install = () => 'read';");
    // A text of its own tells which of the two ran.
    const load = { ...readScript(path), source: "exports.install = () => 'sent';", argument: null };
    const read = await attach(pid, load);
    assert.ok(read.ok, JSON.stringify(read));
    assert.equal(read.value, 'read');
    // As long as before, in place.
    writeFileSync(path, "exports.install = () => 'else';");
    const sent = await attach(pid, load);
    assert.ok(sent.ok, JSON.stringify(sent));
    assert.equal(sent.value, 'sent');
    rmSync(path);
    const gone = await attach(pid, load);
    assert.ok(gone.ok, JSON.stringify(gone));
    assert.equal(gone.value, 'sent');
  });

  test(`Node ${version}: an app that changed how errors are formatted keeps it that way`, async () => {
    const { pid, ask } = await app(
      `${IDLE}
      Error.stackTraceLimit = 0;
      Error.prepareStackTrace = () => 'formatted';
      Object.defineProperty(globalThis, 'now', { get: () => [Error.stackTraceLimit, new Error().stack] });`,
      { node },
    );
    const outcome = await attacher().attach(pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.deepEqual(await ask('now'), { value: [0, 'formatted'] });
  });

  test(`Node ${version}: an app that froze Error is attached`, async () => {
    const { pid } = await app(`${IDLE} Object.freeze(Error); Object.freeze(globalThis.console);`, { node });
    const outcome = await attacher().attach(pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
  });

  test(`Node ${version}: an app that ends with its work is not kept alive`, async () => {
    const { pid, child } = await app(`${ANSWER_ONCE}`, { node });
    const outcome = await attacher().attach(pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    child.send({});
    await until('it has ended', () => child.exitCode === 0, 2000);
  });
}

const ANSWER_ONCE = "process.once('message', () => process.disconnect());";

test('what an app keeps from others stays so: the journal is only for its owner', async () => {
  const { pid } = await app(IDLE);
  const { attach, stateDir } = attacher();
  assert.equal((await attach(pid, LOAD)).ok, true);
  assert.equal(statSync(join(stateDir, 'attach-journal.json')).mode & 0o777, 0o600);
});

test("another user's app is attached by root, although it cannot read the module's files", {
  skip: process.getuid?.() === 0 ? false : 'needs root to run an app as another user',
}, async () => {
  const { stateDir, attach } = attacher();
  chmodSync(stateDir, 0o700);
  const { pid } = await app(IDLE, { uid: 65534, gid: 65534 });
  const outcome = await attach(pid, LOAD);
  assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.deepEqual(portsOf(pid), []);
});

test('fifty processes at once are all attached, by one guard that leaves afterwards', async () => {
  const apps = await Promise.all(Array.from({ length: 50 }, () => app(IDLE)));
  const { attach, close } = attacher();
  let most = 0;
  const counting = setInterval(() => {
    most = Math.max(most, guards().length);
  }, 50);
  const outcomes = await Promise.all(apps.map(({ pid }) => attach(pid, LOAD)));
  clearInterval(counting);
  for (const outcome of outcomes) assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.ok(most <= 1, `${most} guards at once`);
  for (const { pid } of apps) assert.deepEqual(portsOf(pid), []);
  await close();
  await until('the guard has left', () => guards().length === 0);
});
