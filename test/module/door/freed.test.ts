// Nothing keeps a port open that PM2 believes to be free, nor one at which nobody will listen again.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DOOR_SOCKET } from '../../../contract/door.ts';
import { command } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { install } from '../../../testkit/installed.ts';
import { get, untilServing } from '../../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { addUser, noOtherUsers, removeUser } from '../../support/users.ts';
import { isFree, isOpen, prepared, rowOf, startPrepared, untilHeld } from './prepared.ts';

const LIMIT_SECONDS = 3;
const later = { script: app('listens-later.cjs') };

describe('A port that is held', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startPm2();
    await pm2.run('set', 'pm2-ops:door_seconds', String(LIMIT_SECONDS));
    await install(pm2);
  });
  after(() => pm2.kill());

  for (const verb of ['stop', 'delete'])
    it(`is free for another program when pm2 ${verb} has returned`, async () => {
      const port = await startPrepared(pm2, verb);
      await untilHeld(pm2, verb);
      await pm2.ok(verb, verb);
      assert.equal(await isFree(port), true);
    });

  it('is free when PM2 is told not to start the app again, and it ends', async () => {
    const port = await startPrepared(pm2, 'once', { autorestart: false });
    await untilHeld(pm2, 'once');
    const [{ pid = 0 } = {}] = await pm2.processes('once');
    process.kill(pid, 'SIGKILL');
    await waitFor(() => isFree(port), { what: 'the port free', timeoutMs: 1_000 });
  });

  it('is let go when the next process has not listened there in time', async () => {
    const port = await startPrepared(pm2, 'mute', later);
    await untilHeld(pm2, 'mute');
    await pm2.okWith({ env: { QUIET: '1' } }, 'restart', 'mute', '--update-env');
    assert.equal(await isOpen(port), true, 'the kernel keeps clients for whoever may listen');
    await waitFor(() => isFree(port), { what: 'the port free', timeoutMs: 35_000 });
    await untilTold(pm2, /id \d+ of mute: .*:\d+ is held no longer: its new process does not listen there/);
  });

  it('is let go when the next process listens on another address of that port, which it is not refused', async () => {
    const port = await startPrepared(pm2, 'moved', { ...later, env: { HOST: '0.0.0.0' } });
    assert.deepEqual(await untilHeld(pm2, 'moved'), [`0.0.0.0:${port}`]);
    await pm2.okWith({ env: { HOST: '127.0.0.1' } }, 'restart', 'moved', '--update-env');
    await untilServing({ port });
    await waitFor(async () => (await rowOf(pm2, 'moved')).door.held.join() === `127.0.0.1:${port}`, {
      what: 'the new one',
    });
    const [{ pm2_env } = { pm2_env: { restart_time: -1 } }] = await pm2.processes('moved');
    assert.equal(pm2_env.restart_time, 1, 'it has not failed to start');
  });

  it('is let go when the app has closed its server and does not listen again', async () => {
    const port = await startPrepared(pm2, 'closes', later);
    await untilHeld(pm2, 'closes');
    await get({ port, path: '/leave' });
    await waitFor(() => isFree(port), { what: 'the port free', timeoutMs: 2_000 * LIMIT_SECONDS });
    await untilTold(pm2, /of closes: .* is held no longer: nobody has listened there for 3 s/);
  });

  it('is the app’s again when it closes its server and listens on the same address', async () => {
    const port = await startPrepared(pm2, 'again', { ...later, env: { MS: 200 } });
    await untilHeld(pm2, 'again');
    const before = await untilServing({ port });
    await get({ port, path: '/again' });
    const first = await get({ port });
    assert.equal(first.body, before, 'a client that comes in between waits');
    await untilHeld(pm2, 'again');
  });

  it('refuses clients when the last instance is drained, and is the app’s again when that is resumed', async () => {
    const port = await startPrepared(pm2, 'drained', later);
    await untilAttached(pm2, 'drained');
    await untilHeld(pm2, 'drained');
    await command(pm2, 'drain', 'drained', 'force=true');
    await waitFor(async () => !(await isOpen(port)), { what: 'clients refused', timeoutMs: 1_000 });
    const resumed = await command(pm2, 'resume', 'drained');
    assert.equal(resumed.code, 0, resumed.stdout + resumed.stderr);
    await untilServing({ port });
    await untilHeld(pm2, 'drained');
  });

  it('is let go before a process that PM2 starts without the door, which would be refused the port', async () => {
    const port = await startPrepared(pm2, 'replaced');
    await untilHeld(pm2, 'replaced');
    await pm2.ok('restart', 'replaced', '--node-args', '--no-warnings');
    await untilServing({ port });
    const [{ pm2_env } = { pm2_env: { restart_time: -1 } }] = await pm2.processes('replaced');
    assert.equal(pm2_env.restart_time, 1, 'it has not failed to start');
    assert.equal((await rowOf(pm2, 'replaced')).door.prepared, false);
  });

  it('is let go before a process whose options an ecosystem file has replaced', async () => {
    const port = await startPrepared(pm2, 'ecosystem');
    await untilHeld(pm2, 'ecosystem');
    const script = app('slow-boot.cjs');
    const file = join(pm2.folder, 'ecosystem.json');
    const env = { PORT: port, MS: 100 };
    writeFileSync(file, JSON.stringify({ apps: [{ name: 'ecosystem', script, node_args: [], env, vizion: false }] }));
    await pm2.ok('restart', file);
    await untilServing({ port });
    const [{ pm2_env } = { pm2_env: { restart_time: -1 } }] = await pm2.processes('ecosystem');
    assert.equal(pm2_env.restart_time, 1, 'it has not failed to start');
  });

  it('cannot be asked for by another user', { skip: noOtherUsers() }, async (t) => {
    const user = addUser();
    t.after(() => removeUser(user));
    const path = join(pm2.home, 'pm2-ops', DOOR_SOCKET);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const code = `require('net').connect(${JSON.stringify(path)}).on('error', (e) => console.log(e.code)).on('connect', () => console.log('in'))`;
    const { stdout } = spawnSync(process.execPath, ['-e', code], { uid: user.uid, cwd: '/', encoding: 'utf8' });
    assert.equal(stdout.trim(), 'EACCES');
  });

  it('is let go when something keeps the door out of a process, which starts at the second try', async () => {
    const port = await startPrepared(pm2, 'kept-out');
    await untilHeld(pm2, 'kept-out');
    await pm2.okWith({ env: { NODE_PENDING_DEPRECATION: '1' } }, 'restart', 'kept-out', '--update-env');
    await untilServing({ port });
    assert.doesNotMatch(pm2.logs('kept-out'), /DEP0111/);
    const [{ pm2_env } = { pm2_env: { restart_time: -1 } }] = await pm2.processes('kept-out');
    assert.equal(pm2_env.restart_time, 2, 'one try failed');
  });

  it('is not held with the setting door off', async () => {
    await pm2.ok('set', 'pm2-ops:door', 'off');
    await pm2.online('pm2-ops');
    const port = await startPrepared(pm2, 'off');
    await untilAttached(pm2, 'off');
    const { door } = await rowOf(pm2, 'off');
    assert.deepEqual(door.held, []);
    assert.match(door.whyNot ?? '', /setting door is off/);
    await pm2.ok('restart', 'off');
    await untilServing({ port });
    assert.deepEqual(prepared(pm2).length, 1);
  });
});

/** Waits until the module's log has a line: PM2 writes it a moment later. */
async function untilTold(pm2: Pm2, line: RegExp): Promise<void> {
  await waitFor(() => line.test(pm2.logs('pm2-ops')), { what: String(line), context: () => pm2.logs('pm2-ops') });
}
