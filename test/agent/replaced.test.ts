import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../testkit/command.ts';
import { ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached, untilSkipped } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';

/** Everything that an agent does, in an order that leaves the app serving. */
const ACTIONS: [action: string, ...params: string[]][] = [
  ['ops-status'],
  ['disable-keepalive'],
  ['enable-keepalive'],
  ['cpu-profile', 'seconds=1'],
  ['heap-profile', 'seconds=1'],
  ['leak-report', 'seconds=5'],
  ['gc'],
  ['report'],
  ['drain', 'force=true', 'timeout=2000'],
  ['resume'],
  ['heapdump', 'force=true'],
];

/** Methods of what Node returns, and of the app's servers. */
const OF_ITS_OBJECTS = /^(Array#|Buffer\.|EventEmitter#)/;

describe('every action works, and the app hears nothing of it', { concurrency: 5 }, () => {
  let pm2: Pm2;
  const apps = ['zone', 'bluebird', 'fake-timers', 'fake-ticks', 'ses', 'newrelic', 'dd-trace', 'opentelemetry'];
  apps.push('sentry', 'everything');
  const started = new Map<string, { pid: number; port: number }>();
  before(async () => {
    pm2 = await startWithModule();
    for (const name of apps) {
      const port = await freePort();
      const script = join(ROOT, `test/apps/replaced/${name}.cjs`);
      const [app] = await pm2.startApp({ name, script, env: { PORT: port } });
      started.set(name, { pid: app!.pid, port });
    }
  });
  after(() => pm2.kill());

  it('beside zone.js', () => everyActionIn('zone'));
  it('with promises of bluebird', () => everyActionIn('bluebird'));
  it('while all of its clocks stand still', () => everyActionIn('fake-timers'));
  it('after SES has locked everything down', () => everyActionIn('ses'));
  it('beside New Relic', () => everyActionIn('newrelic'));
  it('beside Datadog', () => everyActionIn('dd-trace'));
  it('beside OpenTelemetry', () => everyActionIn('opentelemetry'));
  it('beside Sentry', () => everyActionIn('sentry'));
  it('where everything was replaced that can be', () => everyActionIn('everything'));

  it('or it is said why not: where process.nextTick stands still, Node delivers no message', async () => {
    await untilSkipped(pm2, 'fake-ticks', /process\.nextTick/);
    assert.equal((await pm2.process('fake-ticks')).pid, started.get('fake-ticks')!.pid);
  });

  async function everyActionIn(name: string): Promise<void> {
    const { pid, port } = started.get(name)!;
    await untilAttached(pm2, name, 30_000);
    for (const [action, ...params] of ACTIONS) {
      const [reply] = replies<{ ok: boolean }>(await command(pm2, action, name, ...params, '--json'));
      assert.ok(reply?.ok, `${action}: ${JSON.stringify(reply)}`);
    }
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5_000) });
    const { heard } = (await response.json()) as { heard: Record<string, string> };
    const ours = Object.entries(heard).filter(([what]) => !OF_ITS_OBJECTS.test(what));
    assert.deepEqual(Object.fromEntries(ours), {});
    const now = await pm2.process(name);
    assert.deepEqual([now.pid, now.pm2_env.restart_time], [pid, 0], pm2.logs(name));
  }
});
