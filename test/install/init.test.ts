// Needs the npm registry.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cleanEnvironment, writeNpmrc } from '../../testkit/environment.ts';
import { tempFolder } from '../../testkit/folders.ts';
import { get, startLoad, untilServing } from '../../testkit/load.ts';
import { manifest, packModule } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { type Registry, startRegistry } from '../../testkit/registry.ts';
import { run } from '../../testkit/run.ts';
import { freePort } from '../../testkit/wait-for.ts';

describe('npx pm2-ops init, on a machine with nothing but Node and npm', () => {
  let registry: Registry;
  let pm2: Pm2;
  let port: number;
  const home = tempFolder('po-home-');
  const work = join(home, 'work');
  const service = join(work, 'my-service');
  // npm's own folder first: nothing of this checkout is on the PATH.
  const env = cleanEnvironment({ HOME: home, PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin` });

  before(async () => {
    mkdirSync(work);
    [registry, pm2, port] = await Promise.all([startRegistry(), startPm2(), freePort()]);
    await writeNpmrc(home, { registry: registry.url });
    await registry.publish(await packModule());
  });
  after(async () => {
    await pm2?.kill();
    await registry?.stop();
  });

  it('makes a service, installs what its lock file says, and builds it', async () => {
    const args = ['--yes', 'pm2-ops', 'init', 'my-service', '--port', String(port)];
    const { code, stdout, stderr } = await run('npx', args, { cwd: work, env, timeoutMs: 240_000 });
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    console.log(`npx ${args.join(' ')}\n${stderr}${stdout}`);
    const installed = JSON.parse(readFileSync(join(service, 'node_modules', 'pm2-ops', 'package.json'), 'utf8'));
    assert.equal(installed.version, manifest.version);
  });

  it('passes its own tests', async () => {
    const { code, stdout, stderr } = await run('npm', ['test'], { cwd: service, env, timeoutMs: 240_000 });
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /^ℹ pass [1-9]/m);
  });

  it('starts under PM2, and a reload under load drops nothing', async () => {
    await pm2.okWith({ cwd: service }, 'start', 'ecosystem.config.cjs');
    await untilServing({ port });
    assert.equal((await get({ port, path: '/health/ready' })).status, 200);
    const load = startLoad({ port, clients: 32, pauseMs: [0, 20] });
    await pm2.ok('reload', 'my-service');
    const { failures, requests } = await load.stop();
    assert.deepEqual(failures, {}, pm2.logs());
    assert.ok(requests > 100);
  });
});
