import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../../testkit/folders.ts';
import { startLoad, untilServing } from '../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { ensureTemplateBuilt } from '../../testkit/template.ts';
import { freePort } from '../../testkit/wait-for.ts';

describe('app-template under PM2', () => {
  let pm2: Pm2;
  let port: number;

  before(async () => {
    [pm2, port] = await Promise.all([startPm2(), freePort(), ensureTemplateBuilt()]);
    await pm2.okWith({ cwd: ROOT, env: { PORT: String(port) } }, 'start', 'ecosystem.config.js');
    await untilServing({ port });
  });

  after(() => pm2?.kill());

  it('loses no request in a reload, neither of busy clients nor of those that pause', async () => {
    const old = (await pm2.processes('web')).map(({ pid }) => pid);
    const busy = startLoad({ port, clients: 64, pauseMs: [0, 20] });
    const pausing = startLoad({ port, clients: 64, pauseMs: [0, 3_000] });
    await pm2.ok('reload', 'web');
    for (const seen of await Promise.all([busy.stop(), pausing.stop()])) {
      assert.ok(seen.requests > 64, `${seen.requests} requests`);
      assert.deepEqual(seen.failures, {});
    }
    const replaced = (await pm2.processes('web')).map(({ pid }) => pid);
    assert.equal(replaced.length, old.length);
    assert.ok(replaced.every((pid) => !old.includes(pid)));
    assert.match(pm2.daemonLog(), /exited with code \[0\] via signal \[SIGINT\]/);
    assert.doesNotMatch(pm2.daemonLog(), /SIGKILL/);
  });
});
