import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get, untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { moduleStatus, untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

describe('a drained instance that is the last one', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  /** @returns its port, and its ids by rising number */
  async function running(name: string, instances: number): Promise<{ port: number; ids: number[] }> {
    const port = await freePort();
    await pm2.startApp({ name, script: app('http.cjs'), exec_mode: 'cluster', instances, env: { PORT: port } });
    await untilServing({ port });
    await untilAttached(pm2, name);
    return { port, ids: (await pm2.processes(name)).map(({ pm_id }) => pm_id) };
  }

  async function drain(id: number, ...options: string[]): Promise<void> {
    const [reply] = replies<{ ok: boolean }>(await command(pm2, 'drain', String(id), '--json', ...options));
    assert.equal(reply!.ok, true, JSON.stringify(reply));
  }

  const states = async (name: string) =>
    (await moduleStatus(pm2)).processes.filter((each) => each.name === name).map(({ id, state }) => `${id} ${state}`);

  function untilServed(name: string, id: number, port: number): Promise<unknown> {
    return waitFor(
      async () => {
        assert.deepEqual(await states(name), [`${id} serving`]);
        return get({ port });
      },
      { what: `id ${id} to serve again`, timeoutMs: 8_000, context: () => pm2.logs('pm2-ops') },
    );
  }

  it('serves again when PM2 scales down to just that one, and the log says so', async () => {
    const { port, ids } = await running('scaled', 3);
    await drain(ids[1]!);
    await drain(ids[2]!);
    await pm2.ok('scale', 'scaled', '1');
    const [left] = await pm2.processes('scaled');
    assert.equal(left!.pm_id, ids[2]);
    await untilServed('scaled', left!.pm_id, port);
    assert.match(
      pm2.logs('pm2-ops'),
      new RegExp(
        `scaled \\(id ${left!.pm_id}\\) was drained and serves again: no other instance serves .*:${port} any more`,
      ),
    );
    await pm2.ok('delete', 'scaled');
  });

  it('serves again when the other one is stopped, also while there was no module', async () => {
    const { port, ids } = await running('stopped', 2);
    await drain(ids[1]!);
    await pm2.ok('stop', String(ids[0]));
    const servesAgain = (what: string) =>
      waitFor(
        async () => {
          assert.equal((await states('stopped'))[1], `${ids[1]} serving`);
          return get({ port });
        },
        { what, timeoutMs: 8_000, context: () => pm2.logs('pm2-ops') },
      );
    await servesAgain('the drained one to serve again');
    await pm2.ok('start', String(ids[0]));
    await untilAttached(pm2, 'stopped');
    await drain(ids[1]!);
    await pm2.ok('stop', 'pm2-ops');
    await pm2.ok('stop', String(ids[0]));
    await pm2.ok('start', 'pm2-ops');
    await pm2.online('pm2-ops');
    await servesAgain('the drained one to serve again under the next module');
    await pm2.ok('delete', 'stopped');
  });

  it('waits for a sibling that PM2 just starts again, and stays drained', async () => {
    const { port, ids } = await running('restarted', 2);
    await drain(ids[1]!);
    const [first] = await pm2.processes('restarted');
    process.kill(first!.pid, 'SIGKILL');
    await waitFor(async () => (await pm2.processes('restarted'))[0]!.pid !== first!.pid, { what: 'another process' });
    await untilServing({ port });
    await untilAttached(pm2, 'restarted');
    assert.deepEqual(await states('restarted'), [`${ids[0]} serving`, `${ids[1]} drained`]);
    await pm2.ok('delete', 'restarted');
  });

  it('stays drained where somebody insisted', async () => {
    const { port, ids } = await running('forced', 2);
    await drain(ids[0]!);
    await drain(ids[1]!, '--force');
    await pm2.ok('delete', String(ids[0]));
    await assert.rejects(get({ port }), /ECONNREFUSED/);
    // Two readings of PM2's list later.
    await moduleStatus(pm2);
    await moduleStatus(pm2);
    assert.deepEqual(await states('forced'), [`${ids[1]} drained`]);
    await command(pm2, 'resume', String(ids[1]));
    assert.equal((await get({ port })).status, 200);
    await pm2.ok('delete', 'forced');
  });
});
