import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import type { Pm2Process } from '../../../testkit/pm2Versions.ts';
import { moduleStatus, untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

type Row = Awaited<ReturnType<typeof moduleStatus>>['processes'][number] & { badMessages?: number };

describe('an app that says anything on PM2’s bus', () => {
  let pm2: Pm2;
  let web: Pm2Process;
  let evil: Pm2Process;
  let modulePid: number;

  before(async () => {
    pm2 = await startWithModule();
    [web] = (await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } })) as [
      Pm2Process,
    ];
    [evil] = (await pm2.startApp({
      name: 'evil',
      script: app('hostile-messages.cjs'),
      env: { PORT: await freePort(), VICTIM: web.pid },
    })) as [Pm2Process];
    await Promise.all([untilAttached(pm2, 'web'), untilAttached(pm2, 'evil')]);
    modulePid = (await pm2.process('pm2-ops')).pid;
  });
  after(() => pm2?.kill());

  const tell = (topic: string, data: object = {}) =>
    pm2.call('sendDataToProcessId', { id: evil.pm_id, type: 'process:msg', topic, data });
  const row = async (name: string) => (await moduleStatus(pm2)).processes.find((each) => each.name === name) as Row;

  async function unharmed(): Promise<void> {
    const { pid, pm2_env } = await pm2.process('pm2-ops');
    assert.deepEqual([pid, pm2_env.restart_time], [modulePid, 0], pm2.logs('pm2-ops'));
    const { attached, state, badMessages } = await row('web');
    assert.deepEqual({ attached, state, badMessages }, { attached: true, state: 'serving', badMessages: undefined });
  }

  it('has its messages dropped and counted: the module stays, and the others’ status, dumps and drains work', async () => {
    await tell('everything');
    const counted = await waitFor(
      async () => {
        const now = await row('evil');
        return (now.badMessages ?? 0) >= 16 && now;
      },
      { what: 'the messages to be counted', context: () => pm2.logs('pm2-ops') },
    );
    assert.equal(counted.attached, true, 'its own agent is there as before');
    await unharmed();
    for (const [action, ...params] of [['heapdump'], ['drain', 'force=true'], ['resume']] as const) {
      const { code, stderr } = await command(pm2, action, 'web', ...params);
      assert.equal(code, 0, stderr);
    }
    const shown = await command(pm2, 'status');
    assert.match(shown.stdout, /evil .* 1\d messages dropped that no agent sends/);
    await unharmed();
  });

  it('is told of in the log by a line for each reason, in no words of its own, and no more than a few', async () => {
    for (let i = 0; i < 3; i++) await tell('everything');
    const before = (await row('evil')).badMessages;
    assert.ok(before! > 30, String(before));
    const lines = pm2.logs('pm2-ops').match(/dropped of evil .*/g) ?? [];
    assert.ok(lines.length > 0 && lines.length <= 5, lines.join('\n'));
    assert.equal(new Set(lines).size, lines.length);
    assert.ok(
      lines.every((line) => /^dropped of evil \(id \d+, pid \d+\): [\w "-]+$/.test(line)),
      lines.join('\n'),
    );
  });

  it('can flood the bus: the module looks at so many of one process, and answers the others', async () => {
    const before = (await row('evil')).badMessages ?? 0;
    await tell('flood');
    const began = performance.now();
    const { code } = await command(pm2, 'gc', 'web');
    assert.equal(code, 0);
    assert.ok(performance.now() - began < 8_000);
    await waitFor(async () => ((await row('evil')).badMessages ?? 0) > before + 1_000, {
      what: 'the flood to be dropped',
      timeoutMs: 15_000,
    });
    await unharmed();
  });

  it('answers no question that was put to another one, and no command in place of the module', async () => {
    const heard = new Set<unknown>();
    await pm2.bus((type, { data }) => {
      const { nonce, kind } = (data ?? {}) as { nonce?: string; kind?: string };
      if (nonce === undefined || heard.has(nonce + type)) return;
      heard.add(nonce + type);
      if (type === 'pm2-ops:progress') {
        const reply = { ok: true, action: 'heap-profile', target: 'web', results: [] };
        void tell('say', { type: 'pm2-ops:command-reply', data: { nonce, reply } });
      } else if (kind === 'progress') {
        const reply = { ok: true, action: 'heap-profile', pid: web.pid, ms: 1, file: '/forged' };
        void tell('say', { type: 'pm2-ops:agent', data: { kind: 'reply', nonce, reply } });
      }
    });
    // One that waits its turn lets the allowance of messages fill up again.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const before = (await row('evil')).badMessages ?? 0;
    const profile = await command(pm2, 'heap-profile', 'web', 'seconds=2', '--json');
    const [reply] = replies<{ ok: boolean; file: string; name: string }>(profile);
    assert.equal(profile.code, 0, profile.stderr);
    assert.equal(reply?.name, 'web');
    assert.match(reply?.file ?? '', /\.heapprofile$/);
    assert.ok(
      [...heard].some((each) => String(each).endsWith('pm2-ops:progress')),
      'it has tried',
    );
    assert.ok(
      [...heard].some((each) => String(each).endsWith('pm2-ops:agent')),
      'it has tried',
    );
    assert.ok(((await row('evil')).badMessages ?? 0) > before, 'the reply that was not its own');
    await unharmed();
  });

  it('may rename itself to something that is no name: status shows every process', async () => {
    await tell('say', { type: 'axm:option:configuration', data: { name: { no: 'name' } } });
    const shown = await waitFor(
      async () => {
        const { processes } = await moduleStatus(pm2);
        return processes.some(({ id, name }) => id === evil.pm_id && name === `id ${evil.pm_id}`) && processes;
      },
      { what: 'it to be shown' },
    );
    assert.equal(shown.length, 2);
    await unharmed();
  });
});
