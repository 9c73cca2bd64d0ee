// Exits that no module watched: it was stopped, or the daemon ended and took it along.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ExitRecord } from '../../../contract/exits.ts';
import { isAlive } from '../../../testkit/daemonProcesses.ts';
import { tempFolder } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { attached, compileEnds, exitsOf, tellToEnd } from '../../support/exitMatrix.ts';

describe('an exit that no module watched', () => {
  let pm2: Pm2;
  const folder = tempFolder();
  before(async () => {
    pm2 = await startWithModule();
    await startApps();
  });
  after(() => pm2.kill());

  async function startApps(): Promise<void> {
    const script = await compileEnds(folder);
    const env = { ENDS_FOLDER: folder };
    const apps = (['fork', 'cluster'] as const).map((mode) => ({ name: mode, script, exec_mode: mode, env }));
    await pm2.startApp(apps);
    for (const { name } of apps) await attached(pm2, name);
  }

  /** Waits until the module, which has started anew, has recorded an exit. */
  function recordOf(name: string, pid: number): Promise<ExitRecord> {
    return waitFor(() => exitsOf(pm2).find((each) => each.name === name && each.pid === pid), {
      what: `the record of ${name}`,
      timeoutMs: 30_000,
      context: () => `${JSON.stringify(exitsOf(pm2))}\n${pm2.logs('pm2-ops')}`,
    });
  }

  it('is told by the last words of its process when the module starts again', async () => {
    const { pid } = await pm2.process('fork');
    await pm2.ok('stop', 'pm2-ops');
    tellToEnd(folder, 'fork', 'exit3');
    await waitFor(() => !isAlive(pid), { what: 'the exit' });
    await pm2.ok('restart', 'pm2-ops');
    const record = await recordOf('fork', pid);
    assert.deepEqual(
      { cause: record.cause, code: record.code, followed: record.followed?.is },
      { cause: 'exit-call', code: 3, followed: 'started' },
      JSON.stringify(record),
    );
    assert.match(record.missing.join('\n'), /no module ran when it ended/);
  });

  it("is the daemon's end, also where PM2 deleted its processes one after the other", async () => {
    const ran = await Promise.all(['fork', 'cluster'].map((name) => attached(pm2, name)));
    await pm2.ok('kill');
    await pm2.run('ping');
    for (const [at, name] of ['fork', 'cluster'].entries()) {
      const pid = ran[at]!;
      await waitFor(async () => (await recordOf(name, pid)).cause === 'daemon-ended', {
        what: `${name} to be told as the daemon's end`,
        timeoutMs: 30_000,
        context: () => `${JSON.stringify(exitsOf(pm2), null, 1)}\n${pm2.logs('pm2-ops')}`,
      });
    }
  });

  it("is the daemon's end also where the daemon was killed with SIGKILL, but only of processes that have ended", async () => {
    await pm2.online('pm2-ops');
    await startApps();
    const [orphan] = await pm2.startApp({ name: 'orphan', script: '/bin/sleep', args: '600', interpreter: 'none' });
    const worker = await attached(pm2, 'cluster');
    await waitFor(() => readFileSync(join(pm2.home, 'pm2-ops', 'recorder.json'), 'utf8').includes(`${orphan!.pid}`), {
      what: 'the module to know the orphan',
    });
    process.kill(pm2.daemonPid(), 'SIGKILL');
    await waitFor(() => !isAlive(worker), { what: "the worker's end" });
    await pm2.run('ping');
    assert.equal((await recordOf('cluster', worker)).cause, 'daemon-ended');
    assert.equal(isAlive(orphan!.pid), true);
    assert.deepEqual(
      exitsOf(pm2).filter(({ name }) => name === 'orphan'),
      [],
    );
  });
});
