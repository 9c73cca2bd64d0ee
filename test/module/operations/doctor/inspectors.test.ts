import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DoctorReply } from '../../../../contract/commandMessages.ts';
import { childrenOf } from '../../../../shared/linux/proc.ts';
import { command } from '../../../../testkit/command.ts';
import { app } from '../../../../testkit/folders.ts';
import { openInspectors } from '../../../../testkit/inspectors.ts';
import { startWithModule } from '../../../../testkit/installed.ts';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import { untilAttached } from '../../../../testkit/status.ts';
import { freePort, waitFor } from '../../../../testkit/wait-for.ts';

describe('doctor and inspectors', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  const examine = async (name: string) => {
    const reply = JSON.parse((await command(pm2, 'doctor', '--json')).stdout) as DoctorReply;
    const found = reply.findings.filter(({ check, about }) => check === 'inspector-port' && about?.startsWith(name));
    return { healthy: reply.healthy, found };
  };

  it('an inspector that is open in the child of an app is an error, and the child is named', async () => {
    await pm2.startApp({ name: 'parent', script: app('with-helper.cjs') });
    await untilAttached(pm2, 'parent');
    assert.deepEqual(await examine('parent'), { healthy: true, found: [] });
    const { pid, pm_id } = await pm2.process('parent');
    const helper = await waitFor(() => childrenOf(pid)[0], { what: 'the helper' });
    process.kill(helper, 'SIGUSR1');
    await waitFor(async () => (await openInspectors()).length === 1, { what: 'the inspector' });
    const { healthy, found } = await examine('parent');
    assert.equal(healthy, false);
    assert.equal(found.length, 1);
    assert.equal(found[0]?.severity, 'error');
    assert.match(found[0]?.what ?? '', new RegExp(`its child, process ${helper} \\(.*helper\\), is open on port 9229`));
    await pm2.ok(...(found[0]?.commands[0] ?? '').split(' ').slice(1));
    await waitFor(async () => (await pm2.process('parent')).pid !== pid, { what: `${pm_id} was restarted` });
    await waitFor(async () => (await openInspectors()).length === 0, { what: 'the inspector to be gone' });
    assert.deepEqual((await examine('parent')).found, []);
    await pm2.ok('delete', 'parent');
  });

  it('one that PM2 was told to open is a warning, whatever its port', async () => {
    const port = await freePort();
    await pm2.startApp({
      name: 'inspected',
      script: app('http.cjs'),
      node_args: [`--inspect=${port}`],
      env: { PORT: await freePort() },
    });
    await untilAttached(pm2, 'inspected');
    const { healthy, found } = await examine('inspected');
    assert.equal(healthy, true);
    assert.deepEqual(
      found.map(({ severity }) => severity),
      ['warning'],
    );
    assert.match(found[0]?.what ?? '', new RegExp(`its inspector is open on port ${port} \\(--inspect\\)`));
  });
});
