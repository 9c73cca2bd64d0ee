// Needs the npm registry.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { app, ROOT, tempFolder } from '../../testkit/folders.ts';
import { manifest } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { runOk } from '../../testkit/run.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';

describe('pm2 install of a git address', () => {
  let pm2: Pm2;
  let address: string;

  before(async () => {
    const repository = join(tempFolder(), 'pm2-ops.git');
    await runOk('git', ['clone', '--quiet', '--bare', ROOT, repository]);
    address = `git+${pathToFileURL(repository).href}`;
    pm2 = await startPm2();
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } });
  });

  after(() => pm2?.kill());

  it('builds the package on this host, and attaches to the apps that run', async () => {
    await pm2.ok('install', address);
    assert.equal((await pm2.process('pm2-ops')).pm2_env.version, manifest.version);
    await untilAttached(pm2, 'web');
  });
});
