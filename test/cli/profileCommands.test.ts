import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command } from '../../testkit/command.ts';
import { app } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { type Load, startLoad, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';
import { checkCpuProfile, checkHeapProfile } from '../support/profiles.ts';

describe('profiles of processes that PM2 manages', () => {
  let pm2: Pm2;
  let load: Load | undefined;
  before(async () => {
    pm2 = await startWithModule();
    const port = await freePort();
    await pm2.startApp([
      {
        name: 'leaky',
        script: app('leaks/array.cjs'),
        exec_mode: 'cluster',
        instances: 2,
        env: { PORT: port, HOST: '127.0.0.1' },
      },
      {
        name: 'busy',
        script: app('profiles/busy.cjs'),
        // Code that replaced a loop while it ran, before the profile began, is not known to V8's profiler.
        node_args: '--no-use-osr',
        env: { PORT: await freePort() },
      },
    ]);
    await untilAttached(pm2, 'leaky');
    await untilAttached(pm2, 'busy');
    await untilServing({ port });
    load = startLoad({ port, clients: 8, pauseMs: 20 });
  });
  after(async () => {
    await load?.stop();
    await pm2.kill();
  });

  it('are commands that name the heaviest functions and how to open the file, also several at once', async () => {
    const [leak, cpu, heap] = await Promise.all([
      command(pm2, 'leak-report', 'leaky', '--seconds', '15', '--all'),
      command(pm2, 'cpu-profile', 'busy', '--seconds', '2'),
      command(pm2, 'heap-profile', 'busy', 'seconds=2'),
    ]);
    for (const { code, stdout, stderr } of [leak, cpu, heap]) assert.equal(code, 0, stdout + stderr);
    assert.match(cpu.stderr, /busy:\d+ sampling for 2 s/);
    assert.match(
      cpu.stdout,
      /^busy:\d+ {2}busy [\d.]+ % of [\d.]+ s(?:\n .*){0,2}\n +[\d.]+ % +\d+ ms {2}hotLoop {2}\/\S+busy\.cjs:\d+\n/,
    );
    assert.match(cpu.stdout, /open it: Chrome, DevTools, Performance, Load profile; or npx speedscope \//);
    assert.match(
      heap.stdout,
      /^busy:\d+ {2}.* MB allocated in 2 s\n +[\d.]+ % +[\d.]+ MB {2}holdOn {2}\/\S+busy\.cjs:\d+\n/,
    );
    assert.ok(checkCpuProfile(readFileSync(fileIn(cpu.stdout), 'utf8')).has('hotLoop'));
    assert.ok(checkHeapProfile(readFileSync(fileIn(heap.stdout), 'utf8')).has('holdOn'));
    const reports = leak.stdout.split(/^(?=leaky:\d+ )/m);
    assert.equal(reports.length, 2, leak.stdout);
    for (const report of reports) {
      assert.match(report, /^leaky:\d+ {2}growing: .* per minute, \d+ bytes per request, watched for 15 s\)\n/);
      assert.match(report, /\n +[\d.]+ % +[\d.]+ MB\/min {2}\S+ {2}\/\S+array\.cjs:(6|11)\n/);
      assert.match(report, /open it: Chrome.*\n {2}what holds it: pm2-ops heapdump \d+\n/);
      checkHeapProfile(readFileSync(fileIn(report), 'utf8'));
    }
    for (const file of readdirSync(join(pm2.home, 'pm2-ops/profiles'))) {
      assert.doesNotMatch(file, /partial/);
      assert.equal(statSync(join(pm2.home, 'pm2-ops/profiles', file)).mode & 0o777, 0o600);
    }
  });

  it('answer pm2 trigger, and the app has not noticed', async () => {
    const { pid } = await pm2.process('busy');
    const profile = await pm2.triggerOne<{ ok: boolean; pid: number; file: string; top: { function: string }[] }>(
      'busy',
      'cpu-profile',
      'seconds=1',
    );
    assert.deepEqual([profile.ok, profile.pid], [true, pid], JSON.stringify(profile));
    assert.ok(
      profile.top.slice(0, 3).some((each) => each.function === 'hotLoop'),
      JSON.stringify(profile.top),
    );
    assert.equal(load!.counts().failed, 0);
    for (const { pm2_env } of await pm2.list()) assert.equal(pm2_env.restart_time, 0);
  });

  it('of a process that is killed in the middle say so, and leave nothing half written', async () => {
    const { pid } = await pm2.process('busy');
    const before = readdirSync(join(pm2.home, 'pm2-ops/profiles')).length;
    const bus = await pm2.bus((event, data) => {
      const message = data.data as { kind?: string; progress?: { phase: string } };
      if (event === 'pm2-ops:agent' && message.progress?.phase === 'sampling') process.kill(pid, 'SIGKILL');
    });
    const profile = await command(pm2, 'cpu-profile', 'busy', '--seconds', '600');
    bus.close();
    assert.equal(profile.code, 1, profile.stdout);
    assert.match(profile.stderr, new RegExp(`pid ${pid} of busy .* ended in the middle of cpu-profile`));
    assert.equal(readdirSync(join(pm2.home, 'pm2-ops/profiles')).length, before);
  });
});

/** The profile that a command has written. */
function fileIn(stdout: string): string {
  const file = /^(\/\S+profile)\b/m.exec(stdout)?.[1];
  assert.ok(file, stdout);
  return file;
}
