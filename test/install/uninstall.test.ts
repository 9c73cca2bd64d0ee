import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { app, ROOT } from '../../testkit/folders.ts';
import { get, startLoad, untilServing } from '../../testkit/load.ts';
import { packModule } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

const LEASE_MS = 6_000;

describe('without its module', () => {
  let pm2: Pm2;
  let port: number;
  let untouched: Record<string, unknown>;
  const traces = async () => JSON.parse((await get({ port, path: '/traces' })).body) as Record<string, unknown>;

  before(async () => {
    [pm2, port] = await Promise.all([startPm2({ env: { PM2_OPS_LEASE_MS: String(LEASE_MS) } }), freePort()]);
    await pm2.startApp({ name: 'web', script: app('traces.cjs'), env: { PORT: port } });
    await untilServing({ port });
    untouched = await traces();
    await pm2.ok('install', await packModule());
    await untilAttached(pm2, 'web');
  });

  after(() => pm2?.kill());

  it('a restart of the module within the lease is seamless: the same agent, not attached anew', async () => {
    const opened = () => pm2.logs('web').match(/Debugger listening/g)?.length;
    assert.equal(opened(), 1);
    const { pid } = await pm2.process('web');
    await pm2.ok('restart', 'pm2-ops');
    const [attached] = await untilAttached(pm2, 'web');
    assert.equal(attached?.pid, pid);
    assert.equal(opened(), 1);
    assert.equal((await pm2.triggerOne('web', 'ops-status')).ok, true);
  });

  it('pm2 uninstall leaves the apps serving, and within the lease nothing of ours but the stub: an open REPL ends, too', async () => {
    const repl = await openRepl(pm2);
    const { pid } = await pm2.process('web');
    assert.notDeepEqual(await traces(), untouched, 'an attached agent shows');
    const load = startLoad({ port, clients: 8, pauseMs: [0, 20] });
    await pm2.ok('uninstall', 'pm2-ops');
    assert.deepEqual(await pm2.processes('pm2-ops'), []);
    const reply = await waitFor(
      async () => {
        const value = await pm2.triggerOne('web', 'ops-status', undefined, 10_000);
        return value.ok === false && value;
      },
      { what: 'the stub in web', timeoutMs: LEASE_MS * 2, everyMs: 500 },
    );
    assert.equal(reply.code, 'E_STATE');
    assert.equal((await pm2.triggerOne('web', 'drain')).code, 'E_STATE');
    const seen = await load.stop();
    assert.deepEqual(seen.failures, {});
    assert.deepEqual(Object.keys(seen.servedBy), [String(pid)]);
    assert.equal(await repl.ended, 1);
    assert.match(await repl.stderr, /pm2-ops leaves this process/);
    assert.deepEqual(readdirSync(join(pm2.home, 'pm2-ops', 'repl')), []);
    assert.deepEqual(await traces(), untouched);
  });
});

/** Somebody has one open in `web`, and types no more. */
async function openRepl(pm2: Pm2) {
  await pm2.ok('set', 'pm2-ops:repl', 'on');
  return waitFor(
    async () => {
      const child = spawn(process.execPath, [join(ROOT, 'dist/cli.mjs'), 'repl', 'web'], { env: pm2.env });
      const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
      const stderr = text(child.stderr);
      const answered = new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true)));
      child.stdin.write('1 + 1\n');
      const open = await Promise.race([answered, ended.then(() => false)]);
      return open && { ended, stderr };
    },
    { what: 'a REPL in web', timeoutMs: 30_000 },
  );
}
