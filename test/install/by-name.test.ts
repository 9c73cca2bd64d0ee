import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { writeNpmrc } from '../../testkit/environment.ts';
import { app } from '../../testkit/folders.ts';
import { get } from '../../testkit/load.ts';
import { manifest, packModule } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { moduleStatus, untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import { type Registry, startRegistry } from '../support/registry.ts';

describe('pm2 install pm2-ops, from a registry', () => {
  let registry: Registry;
  let pm2: Pm2;
  let port: number;

  before(async () => {
    [registry, pm2, port] = await Promise.all([startRegistry(), startPm2(), freePort()]);
    await writeNpmrc(pm2.folder, { registry: registry.url });
    await registry.publish(await packModule());
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: port } });
  });

  after(async () => {
    await pm2?.kill();
    await registry?.stop();
  });

  it('reaches the apps that were running before, which keep their pid', async () => {
    const [web] = await pm2.processes('web');
    await pm2.ok('install', 'pm2-ops');
    const [attached] = await untilAttached(pm2, 'web');
    assert.equal(attached?.pid, web?.pid);
    assert.match((await get({ port })).body, new RegExp(`pid ${web?.pid}`));
  });

  it('shows the module with its version in pm2 ls', async () => {
    const { pm2_env } = await pm2.process('pm2-ops');
    assert.equal(pm2_env.pmx_module, true);
    assert.equal(pm2_env.version, manifest.version);
    assert.equal(pm2_env.status, 'online');
    assert.match((await pm2.ok('ls')).stdout, new RegExp(`pm2-ops +│ ${manifest.version.replaceAll('.', '\\.')}`));
  });

  it('upgrades in place to the newest version', async () => {
    await registry.publish(await packModule('99.0.0'));
    await pm2.ok('install', 'pm2-ops');
    const { pm2_env } = await pm2.process('pm2-ops');
    assert.equal(pm2_env.version, '99.0.0');
    await waitFor(async () => (await untilAttached(pm2, 'web')).every(({ agent }) => agent === '99.0.0'), {
      what: 'the newer agent in web',
    });
    assert.equal((await moduleStatus(pm2)).version, '99.0.0');
  });
});
