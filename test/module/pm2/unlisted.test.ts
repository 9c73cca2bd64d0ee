import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { appOf } from '../../../contract/app.ts';
import { findUnlisted } from '../../../module/pm2/unlisted.ts';
import { isRunning } from '../../../shared/linux/running.ts';
import { waitFor } from '../../../testkit/wait-for.ts';

const app = (name: string, namespace = 'default') => appOf({ namespace, name });

describe('a process of an app that PM2 does not list', () => {
  const children: ChildProcess[] = [];
  after(() => children.forEach((child) => void child.kill('SIGKILL')));

  async function start(env: NodeJS.ProcessEnv): Promise<number> {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { env, stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    return child.pid!;
  }

  it('is found by its name and namespace, in both modes, and only among the children of the daemon', async () => {
    const cluster = await start({ pm2_env: JSON.stringify({ name: 'web' }) });
    const fork = await start({ name: 'web' });
    const listed = await start({ name: 'web' });
    await start({ name: 'api' });
    await waitFor(() => findUnlisted(app('web'), new Set([listed]), process.pid).length === 2, { what: 'both' });
    assert.deepEqual(findUnlisted(app('web'), new Set([listed]), process.pid).sort(), [cluster, fork].sort());
    assert.deepEqual(findUnlisted(app('web'), new Set(), 1), []);
    const blue = await start({ pm2_env: JSON.stringify({ name: 'web', namespace: 'blue' }) });
    const forkedBlue = await start({ name: 'web', namespace: 'blue' });
    await waitFor(() => findUnlisted(app('web', 'blue'), new Set(), process.pid).length === 2, { what: 'blue ones' });
    assert.deepEqual(findUnlisted(app('web', 'blue'), new Set(), process.pid).sort(), [blue, forkedBlue].sort());
    assert.deepEqual(findUnlisted(app('web'), new Set([listed]), process.pid).sort(), [cluster, fork].sort());
  });

  it('is not there any more once it has ended', async () => {
    const pid = await start({ name: 'gone' });
    children.at(-1)!.kill('SIGKILL');
    await once(children.at(-1)!, 'exit');
    assert.equal(isRunning(pid), false);
    assert.deepEqual(findUnlisted(app('gone'), new Set(), process.pid), []);
  });
});
