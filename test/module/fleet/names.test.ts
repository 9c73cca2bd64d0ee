// Every command takes every name that PM2 takes, and what is to be typed can be pasted.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { moduleStatus, untilAttached, untilSkipped } from '../../../testkit/status.ts';
import { freePort } from '../../../testkit/wait-for.ts';
import { takeAdvice } from '../../support/advice.ts';

const NAMES = ['my app', 'my_app', '订单', '用户', 'line\nbreak', `it's "q" $(x)`, '-x', 'a__b', 'team/api', 'app=web'];

interface Answer {
  id: number;
  name: string;
  ok: boolean;
  file: string;
}

describe('an app of any name', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
    const apps = await Promise.all(
      NAMES.map(async (name) => ({
        name,
        script: app('http.cjs'),
        env: { PORT: await freePort(), HOST: '127.0.0.1' },
      })),
    );
    await pm2.startApp(apps);
    for (const name of NAMES) await untilAttached(pm2, name);
  });
  after(() => pm2.kill());

  it('is taken by the commands for processes, and its files are its own', async () => {
    const files: string[] = [];
    for (const name of NAMES) {
      const { pm_id } = await pm2.process(name);
      const [status] = replies<Answer>(await command(pm2, 'ops-status', '--json', '--', name));
      assert.deepEqual([status!.ok, status!.name, status!.id], [true, name, pm_id]);
      const [dump] = replies<Answer>(await command(pm2, 'heapdump', '--json', '--', `${name}:${pm_id}`));
      assert.deepEqual([dump!.ok, dump!.name], [true, name]);
      files.push(dump!.file);
    }
    const folder = join(pm2.home, 'pm2-ops/dumps');
    assert.deepEqual(
      readdirSync(folder)
        .map((file) => join(folder, file))
        .sort(),
      [...files].sort(),
    );
    const names = files.map((file) => /dumps\/(.+)-\d+-\d+-\w+\.heapsnapshot$/.exec(file)?.[1]);
    assert.equal(new Set(names).size, NAMES.length, names.join(' '));
  });

  it('is taken by the actions of the module, as a command and by pm2 trigger in each form', async () => {
    for (const name of NAMES) {
      const { pm_id } = await pm2.process(name);
      const stack = await command(pm2, 'stack', '--json', '--', name);
      assert.equal((JSON.parse(stack.stdout) as Answer).id, pm_id, stack.stderr);
      for (const param of [{ app: name }, `app=${name}`, ...(name.startsWith('-') ? [] : [name])]) {
        const reply = await pm2.triggerOne<{ ok: boolean; processes: Answer[] }>('pm2-ops', 'attach', param);
        assert.deepEqual(
          reply.processes.map(({ id }) => id),
          [pm_id],
          JSON.stringify([param, reply]),
        );
      }
    }
  });

  it('is in a line of doctor that can be pasted, one for all of them', async () => {
    const advice = takeAdvice(pm2);
    const finding = await advice.finding('kill-timeout');
    assert.deepEqual(finding.subjects, NAMES);
    assert.equal(finding.about, `${NAMES.slice(0, 3).join(', ')} and ${NAMES.length - 3} more`);
    const dash = (await pm2.process('-x')).pm_id;
    assert.deepEqual(finding.commands, [
      `for app in 'my app' my_app '订单' '用户' $'line\\nbreak' 'it'\\''s "q" $(x)' ${dash} a__b team/api app=web; do pm2 reload "$app" --kill-timeout 6000; done`,
    ]);
    const { findings } = await advice.examine();
    assert.equal(findings.filter(({ check }) => check === 'kill-timeout').length, 1);
    await advice.follow(finding);
    for (const name of NAMES) assert.equal((await pm2.process(name)).pm2_env.kill_timeout, 6000);
    for (const name of NAMES) await untilAttached(pm2, name);
    await advice.gone('kill-timeout');
  });

  it('can be excluded, and then it alone', async () => {
    await pm2.ok('set', 'pm2-ops:exclude', 'my app, 订单,line?break');
    for (const name of ['my app', '订单', 'line\nbreak']) await untilSkipped(pm2, name, /excluded/);
    for (const name of ['my_app', '用户']) await untilAttached(pm2, name);
    const { settings } = await moduleStatus(pm2);
    assert.deepEqual(settings.exclude, ['my app', '订单', 'line?break']);
  });
});
