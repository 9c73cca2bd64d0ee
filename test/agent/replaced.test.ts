import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../testkit/command.ts';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { getUnderWay } from '../../testkit/load.ts';
import { nodeOf } from '../../testkit/nodes.ts';
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

/** The apps of test/apps/replaced. */
const APPS = [
  'zone',
  'bluebird',
  'fake-timers',
  'ses',
  'newrelic',
  'dd-trace',
  'opentelemetry',
  'sentry',
  'everything',
];
/** Those that a newer Node runs, too: the agent gets its timers and promises from inside Node there. */
const ON_NEWER_NODE = ['zone', 'fake-timers', 'ses', 'everything'];
/** Those whose timers are not Node's. */
const OTHER_TIMERS = ['zone', 'fake-timers'];

interface Started {
  id: number;
  pid: number;
  port: number;
}

describe('every action works, and the app hears nothing of it', { concurrency: 5 }, () => {
  let pm2: Pm2;
  const started = new Map<string, Started>();
  const newer = nodeOf({ atLeast: 24 });
  const cases = [
    ...APPS.map((app) => ({ app, name: app, node: process.execPath, title: app })),
    ...(newer ? ON_NEWER_NODE : []).map((app) => ({
      app,
      name: `${app}-newer`,
      node: newer!.path,
      title: `${app} on Node ${newer!.version}`,
    })),
  ];
  before(async () => {
    pm2 = await startWithModule();
    for (const { name, app, node } of cases) await startApp(name, app, node);
    await startApp('fake-ticks', 'fake-ticks', process.execPath);
  });
  after(() => pm2.kill());

  for (const { name, title } of cases) it(`in ${title}`, () => everyActionIn(name));

  for (const { name, title, app, node } of cases.filter(({ app }) => OTHER_TIMERS.includes(app))) {
    it(`and a stop drains ${title}`, async () => {
      const stopped = `${name}-stopped`;
      const { id, pid, port } = await startApp(stopped, app, node);
      await untilAttached(pm2, stopped, 30_000);
      const slow = await getUnderWay({ port, path: '/slow' });
      await pm2.call('stopProcessId', { id });
      assert.equal((await slow.answer).status, 200);
      assert.ok(!isAlive(pid));
      assert.match(pm2.logs(stopped), /pm2-ops: SIGINT: drained in \d+ ms: 1 finished, \d+ closed, 0 cut/);
    });
  }

  it('or it is said why not: where process.nextTick stands still, Node delivers no message', async () => {
    await untilSkipped(pm2, 'fake-ticks', /process\.nextTick/);
    assert.equal((await pm2.process('fake-ticks')).pid, started.get('fake-ticks')!.pid);
  });

  async function startApp(name: string, app: string, node: string): Promise<Started> {
    const port = await freePort();
    const script = join(ROOT, `test/apps/replaced/${app}.cjs`);
    const [process] = await pm2.startApp({
      name,
      script,
      interpreter: node,
      env: { PORT: port },
      kill_timeout: 10_000,
    });
    const it = { id: process!.pm_id, pid: process!.pid, port };
    started.set(name, it);
    return it;
  }

  async function everyActionIn(name: string): Promise<void> {
    const { pid, port } = started.get(name)!;
    await untilAttached(pm2, name, 30_000);
    for (const [action, ...params] of ACTIONS) {
      const [reply] = replies<{ ok: boolean }>(await command(pm2, action, name, ...params, '--json'));
      assert.ok(reply?.ok, `${action}: ${JSON.stringify(reply)}`);
    }
    await servesUnheard();
    // By the command: a `pm2 trigger` may get the reply to another test's.
    const detached = await command(pm2, 'detach', name);
    assert.equal(detached.code, 0, detached.stderr);
    await servesUnheard();
    const now = await pm2.process(name);
    assert.deepEqual([now.pid, now.pm2_env.restart_time], [pid, 0], pm2.logs(name));

    async function servesUnheard(): Promise<void> {
      const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5_000) });
      const { heard } = (await response.json()) as { heard: Record<string, string> };
      const ours = Object.entries(heard).filter(([what]) => !OF_ITS_OBJECTS.test(what));
      assert.deepEqual(Object.fromEntries(ours), {}, name);
    }
  }
});
