import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { app, ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { manifest } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { run } from '../../testkit/run.ts';
import { type ModuleStatus, untilAttached, untilSkipped } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

const command = (pm2: Pm2, ...args: string[]) =>
  run(process.execPath, [join(ROOT, 'dist/cli.mjs'), ...args], { env: pm2.env, timeoutMs: 20_000 });

describe('the pm2-ops command', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
    await pm2.startApp([
      { name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } },
      { name: 'snake', script: app('python.py'), interpreter: 'python3' },
    ]);
    await untilAttached(pm2, 'web');
    await untilSkipped(pm2, 'snake', /python/);
  });
  after(() => pm2.kill());

  it('status is a table: who is attached, and why somebody is not', async () => {
    const { code, stdout } = await command(pm2, 'status');
    assert.equal(code, 0);
    assert.match(stdout, /^id +name +pid +mode +pm2 +pm2-ops +state +note$/m);
    assert.match(stdout, /^\d+ +web +\d+ +fork +online +attached +serving$/m);
    assert.match(stdout, /^\d+ +snake +\d+ +fork +online +skipped +- +not Node \(python/m);
    assert.match(stdout, new RegExp(`^pm2-ops ${manifest.version}: 1 of 2 attached$`, 'm'));
  });

  it('status --json is what the module answers, for scripts', async () => {
    const { code, stdout } = await command(pm2, 'status', '--json');
    assert.equal(code, 0);
    const { version, settings, processes } = JSON.parse(stdout) as ModuleStatus;
    assert.equal(version, manifest.version);
    assert.equal(settings.dump_keep, 5);
    assert.deepEqual(processes.map(({ name, attached }) => [name, attached]).sort(), [
      ['snake', false],
      ['web', true],
    ]);
  });

  it('detach and attach take an app by name', async () => {
    assert.equal((await command(pm2, 'detach', 'web')).code, 0);
    await untilSkipped(pm2, 'web', /detached by hand/);
    assert.equal((await command(pm2, 'attach', 'web')).code, 0);
    await untilAttached(pm2, 'web');
  });

  it('an app that does not exist is said so, with exit code 1', async () => {
    const { code, stderr } = await command(pm2, 'attach', 'wbe');
    assert.equal(code, 1);
    assert.match(stderr, /PM2 manages no process "wbe"\nlook with: pm2 ls/);
  });

  it('exit code 2 is for a parameter that nobody understood; where something else failed as well, it is 1', async () => {
    const web = await command(pm2, 'drain', 'web', 'timeout=soon');
    assert.match(web.stderr, /timeout must be a whole number of milliseconds .*, got "soon" \(E_PARAMS\)/);
    assert.equal(web.code, 2);
    const all = await command(pm2, 'drain', 'all', 'timeout=soon');
    assert.match(all.stderr, /\(E_PARAMS\)(?:.|\n)*\(E_STATE\)/);
    assert.equal(all.code, 1);
  });

  it('settings that are refused are said in the log, with value, form and default', async () => {
    await pm2.ok('set', 'pm2-ops:port', 'http');
    await waitFor(
      () =>
        pm2
          .logs('pm2-ops')
          .includes('pm2-ops:port refused: "http" is not a port from 1 to 65535; the default is used: 9616'),
      { what: 'the refusal in the log', context: () => pm2.logs('pm2-ops') },
    );
    const { settings } = JSON.parse((await command(pm2, 'status', '--json')).stdout) as ModuleStatus;
    assert.equal(settings.port, 9616);
  });

  it('waits for a module that is just starting, as after each change of a setting', async () => {
    await pm2.ok('set', 'pm2-ops:dump_keep', '7');
    const { code, stdout, stderr } = await command(pm2, 'status', '--json');
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as ModuleStatus).settings.dump_keep, 7);
  });

  it('without the module it says how to install it', async () => {
    await pm2.ok('uninstall', 'pm2-ops');
    const { code, stderr } = await command(pm2, 'status');
    assert.equal(code, 1);
    assert.match(stderr, /install it: pm2 install pm2-ops/);
  });
});

describe('the pm2-ops command without a daemon', () => {
  it('says so and starts none', async () => {
    const pm2 = await startPm2();
    await pm2.kill({ keepFolder: true });
    const { code, stderr } = await command(pm2, 'status');
    assert.equal(code, 1);
    assert.match(stderr, /no PM2 daemon runs in/);
    assert.deepEqual(pm2.pids(), []);
    await pm2.kill();
  });
});
