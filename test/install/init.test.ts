// Needs the npm registry.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cleanEnvironment, writeNpmrc } from '../../testkit/environment.ts';
import { ROOT, tempFolder } from '../../testkit/folders.ts';
import { get, startLoad, untilServing } from '../../testkit/load.ts';
import { manifest, packModule } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { run, runOk } from '../../testkit/run.ts';
import { freePort } from '../../testkit/wait-for.ts';
import { type Registry, startRegistry } from '../support/registry.ts';

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
    assert.match(stdout, /^pm2-ops \S+: from your npm registry$/m);
    assert.ok(!existsSync(join(service, 'vendor')));
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

describe('pm2-ops init where no registry has pm2-ops', () => {
  let registry: Registry;
  let tarball: string;
  const home = tempFolder('po-home-');
  const env = cleanEnvironment({ HOME: home, PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin` });
  const options = { cwd: home, env, timeoutMs: 240_000 };
  const copy = join('vendor', `pm2-ops-${manifest.version}.tgz`);

  before(async () => {
    // It has everything but pm2-ops.
    [registry, tarball] = await Promise.all([startRegistry(), packModule()]);
    await writeNpmrc(home, { registry: registry.url });
  });
  after(() => registry?.stop());

  /** Looks at what the service in that folder depends on. */
  function assertOwnCopy(name: string, stdout: string): void {
    const service = join(home, name);
    assert.match(stdout, /your npm registry does not have it, so the service has a copy of this one: vendor\/pm2-ops-/);
    assert.match(stdout, new RegExp(`npm install pm2-ops@\\^${manifest.version} && rm -r vendor$`, 'm'));
    const { dependencies } = JSON.parse(readFileSync(join(service, 'package.json'), 'utf8'));
    assert.equal(dependencies['pm2-ops'], `file:${copy}`);
    assert.deepEqual(readdirSync(join(service, 'vendor')), [`pm2-ops-${manifest.version}.tgz`]);
  }

  it('works from a checkout: the service is installed, built, and tests itself', async () => {
    const { stdout } = await runOk(process.execPath, [join(ROOT, 'dist', 'cli.mjs'), 'init', 'by-checkout'], options);
    assertOwnCopy('by-checkout', stdout);
    const service = join(home, 'by-checkout');
    const installed = JSON.parse(readFileSync(join(service, 'node_modules', 'pm2-ops', 'package.json'), 'utf8'));
    assert.equal(installed.version, manifest.version);
    const { stdout: tested } = await runOk('npm', ['test'], { ...options, cwd: service });
    assert.match(tested, /^ℹ fail 0$/m);
  });

  it('works from a packed file', async () => {
    const args = ['--yes', '--package', tarball, '--', 'pm2-ops', 'init', 'by-file'];
    const { stdout } = await runOk('npx', args, options);
    assertOwnCopy('by-file', stdout);
    assert.ok(existsSync(join(home, 'by-file', 'dist', 'server.js')));
  });

  it('works from a package that is installed, and what it packs is whole', async () => {
    const prefix = join(home, 'prefix');
    await runOk('npm', ['install', '--global', '--prefix', prefix, tarball], options);
    const { stdout } = await runOk(join(prefix, 'bin', 'pm2-ops'), ['init', 'by-install', '--no-install'], options);
    assertOwnCopy('by-install', stdout);
    const list = async (file: string) => (await runOk('tar', ['-tzf', file])).stdout.trim().split('\n').sort();
    assert.deepEqual(await list(join(home, 'by-install', copy)), await list(tarball));
  });
});
