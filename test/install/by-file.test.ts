import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { app } from '../../testkit/folders.ts';
import { manifest, packModule } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { moduleStatus, untilAttached, untilSkipped } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

describe('pm2 install of the packed file', () => {
  let pm2: Pm2;

  before(async () => {
    pm2 = await startPm2();
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } });
    await pm2.ok('install', await packModule());
  });

  after(() => pm2?.kill());

  it('installs one package and shows it as a module with its version', async () => {
    const { pm2_env } = await pm2.process('pm2-ops');
    assert.equal(pm2_env.pmx_module, true);
    assert.equal(pm2_env.version, manifest.version);
    await untilAttached(pm2, 'web');
  });

  it('takes a setting from pm2 set, and says so', async () => {
    assert.equal((await moduleStatus(pm2)).settings.dump_keep, 5);
    await pm2.ok('set', 'pm2-ops:dump_keep', '3');
    const { settings } = await waitFor(
      async () => {
        const status = await moduleStatus(pm2);
        return status.settings.dump_keep === 3 && status;
      },
      { what: 'dump_keep 3 in force', everyMs: 300 },
    );
    assert.equal(settings.dump_keep, 3);
  });

  it('refuses a bad setting in its log with the value, the allowed form and the default', async () => {
    await pm2.ok('set', 'pm2-ops:dump_keep', 'many');
    const line = await waitFor(() => pm2.logs('pm2-ops').match(/^.*pm2-ops:dump_keep.*$/m)?.[0], {
      what: 'a line about the refused setting',
      context: () => pm2.logs('pm2-ops'),
    });
    assert.match(line, /many/);
    assert.match(line, /whole number/);
    assert.match(line, /5/);
    await waitFor(async () => (await moduleStatus(pm2)).settings.dump_keep === 5, { what: 'the default in force' });
    await pm2.ok('set', 'pm2-ops:dump_keep', '3');
  });

  it('opens no inspector any more once pm2-ops:attach is off', async () => {
    await pm2.ok('set', 'pm2-ops:attach', 'off');
    await waitFor(async () => (await moduleStatus(pm2)).settings.attach === 'off', { what: 'attach off in force' });
    await pm2.startApp({ name: 'later', script: app('http.cjs'), env: { PORT: await freePort() } });
    await untilSkipped(pm2, 'later', /pm2-ops:attach is off/);
    await pm2.ok('set', 'pm2-ops:attach', 'live');
    await untilAttached(pm2, 'later');
    await pm2.ok('delete', 'later');
  });

  it('upgrades in place: one module, the newer version, the newer agent', async () => {
    const [web] = await pm2.processes('web');
    await pm2.ok('install', await packModule('99.0.0'));
    assert.equal((await pm2.process('pm2-ops')).pm2_env.version, '99.0.0');
    const status = await waitFor(
      async () => {
        const found = (await untilAttached(pm2, 'web')).find(({ agent }) => agent === '99.0.0');
        return found && { ...(await moduleStatus(pm2)), found };
      },
      { what: 'the newer agent in web', context: () => pm2.logs('pm2-ops') },
    );
    assert.equal(status.version, '99.0.0');
    assert.equal(status.found.pid, web?.pid, 'web was not restarted');
    assert.equal(status.settings.dump_keep, 3, 'settings survive the upgrade');
  });

  it('survives pm2 update: module and apps come back, attached', async () => {
    const before = pm2.daemonPid();
    await pm2.ok('update');
    assert.notEqual(pm2.daemonPid(), before);
    await pm2.online('pm2-ops');
    await pm2.online('web');
    await untilAttached(pm2, 'web');
    assert.equal((await moduleStatus(pm2)).settings.dump_keep, 3);
  });

  it('survives pm2 kill: a new daemon starts it again', async () => {
    await pm2.ok('kill');
    await pm2.ok('ping');
    await pm2.online('pm2-ops');
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } });
    await untilAttached(pm2, 'web');
  });
});
