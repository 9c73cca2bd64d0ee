import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { ROOT, app as testApp } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { get, type LoadOptions, startLoad, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { runOk } from '../../testkit/run.ts';
import { moduleStatus } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import { ensureNextBuilt, FRAMEWORKS, NEXT, NEXT_APP, NEXT_ENV } from '../support/frameworks.ts';

interface Framework {
  title: string;
  script: string;
  options?: Record<string, unknown>;
}

const written = (file: string) => join(FRAMEWORKS, 'apps', file);
/** What handles no signals. By the name of its app. */
const PLAIN: Record<string, Framework> = {
  http: { title: 'raw http', script: testApp('http.cjs') },
  'express-4': { title: 'Express 4', script: written('express-4.cjs') },
  'express-5': { title: 'Express 5', script: written('express-5.cjs') },
  fastify: { title: 'Fastify', script: written('fastify.mjs') },
  koa: { title: 'Koa', script: written('koa.mjs') },
  hono: { title: 'Hono', script: written('hono.mjs') },
  nest: { title: 'NestJS', script: written('nest.cjs') },
};
const NEXT_JS: Framework = { title: 'Next.js', script: NEXT, options: { args: 'start', cwd: NEXT_APP } };
const ALL = Object.entries({ ...PLAIN, next: NEXT_JS });

describe('a reload of an unmodified app: two workers, 64 keep-alive clients that never retry', () => {
  let pm2: Pm2;
  const ports = new Map<string, number>();

  before(async () => {
    await ensureNextBuilt();
    pm2 = await startWithModule();
    for (const [name] of ALL) ports.set(name, await freePort());
    // PM2 ends the old worker when `listen_timeout` is over, whether the new one listens or not.
    const common = { exec_mode: 'cluster', instances: 2, kill_timeout: 3_000, listen_timeout: 60_000 };
    await pm2.startApp(
      ALL.map(([name, { script, options }]) => {
        return { name, script, ...common, ...options, env: { ...NEXT_ENV, PORT: String(ports.get(name)) } };
      }),
    );
    for (const port of ports.values()) await untilServing({ port }, 60_000);
  });
  after(() => pm2.kill());

  it('status says who handles signals: we do, except in Next.js, which does itself', async () => {
    const expected = ALL.flatMap(([name]) => {
      const row = `${name} ${name === 'next' ? 'app' : 'ours'}`;
      return [row, row];
    });
    await waitFor(
      async () => {
        const { processes } = await moduleStatus(pm2);
        assert.deepEqual(processes.map(({ name, graceful }) => `${name} ${graceful}`).sort(), expected.sort());
        return true;
      },
      { what: 'every agent to know', timeoutMs: 60_000, everyMs: 500, context: () => pm2.logs('pm2-ops') },
    );
  });

  for (const [name, { title }] of Object.entries(PLAIN)) {
    it(`${title}: pm2 reload loses nothing`, async () => {
      await losesNothing(name, {}, () => pm2.ok('reload', name));
      const left = pm2.logs(name).match(/pm2-ops: SIGINT: drained in .* 0 cut$/gm);
      assert.equal(left?.length, 2, pm2.logs(name));
    });
  }

  it('Next.js: pm2-ops reload loses nothing', async () => {
    assert.match((await get({ port: ports.get('next')! })).body, /<p>pid \d+<\/p>/);
    // No more than it can answer: a saturated worker takes new connections one at a time.
    const load: LoadOptions = { path: '/api/pid', pauseMs: [200, 600], timeoutMs: 30_000 };
    const command = [join(ROOT, 'dist', 'cli.mjs'), 'reload', 'next', '--settle', '500'];
    await losesNothing('next', load, () =>
      runOk(pm2.node, command, { env: pm2.env }).catch((error: Error) => {
        throw new Error(`${error.message}\n${pm2.logs('next')}\n${pm2.daemonLog()}`);
      }),
    );
    assert.doesNotMatch(pm2.logs('next'), /drained in/);
  });

  /** Every worker serves before the reload, and only new ones after it. */
  async function losesNothing(name: string, options: LoadOptions, reload: () => Promise<unknown>): Promise<void> {
    const load = startLoad({ port: ports.get(name)!, clients: 64, pauseMs: 5, ...options });
    try {
      const old = await pids();
      const served = () => old.every((pid) => load.stats().servedBy[pid] !== undefined);
      await waitFor(served, { what: 'every worker to serve', context: () => JSON.stringify(load.stats()) });
      await reload();
      const now = await pids();
      assert.deepEqual(
        old.filter((pid) => now.includes(pid) || isAlive(pid)),
        [],
      );
      // On new connections, which PM2 hands to each in turn.
      await waitFor(() => answersFrom(name, now), { what: 'every new worker to serve', timeoutMs: 30_000 });
    } finally {
      assert.deepEqual((await load.stop()).failures, {}, pm2.logs(name));
    }
    assert.doesNotMatch(pm2.daemonLog(), /sending SIGKILL/);

    async function pids(): Promise<number[]> {
      return (await pm2.online(name, 2)).map(({ pid }) => pid);
    }
  }

  async function answersFrom(name: string, pids: number[]): Promise<boolean> {
    const where = { port: ports.get(name)!, ...(name === 'next' ? { path: '/api/pid' } : {}) };
    const bodies = await Promise.all(Array.from({ length: 4 }, () => get(where)));
    return pids.every((pid) => bodies.some(({ body }) => body.includes(String(pid))));
  }
});
