import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../testkit/clients.ts';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { get } from '../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { ensureTemplateBuilt, TEMPLATE } from '../../testkit/template.ts';
import { freePort, waitFor, within } from '../../testkit/wait-for.ts';
import { type Database, databasesMissing, startPostgres, startRedis } from '../support/databases.ts';

const CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'app-template'";

describe('app-template with PostgreSQL and Redis', { skip: databasesMissing() }, () => {
  let postgres: Database;
  let redis: Database;

  before(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis(), ensureTemplateBuilt()]);
  });
  after(async () => {
    await Promise.all([postgres?.remove(), redis?.remove()]);
  });

  const urls = () => ({ DATABASE_URL: postgres.url, REDIS_URL: redis.url });
  const connections = async () => [
    Number((await postgres.ask(CONNECTED))[0]),
    (await redis.ask('CLIENT LIST')).filter((line) => line.includes('name=app-template')).length,
  ];

  describe('under PM2', () => {
    let pm2: Pm2;
    let port: number;
    before(async () => {
      [pm2, port] = await Promise.all([startPm2(), freePort()]);
      await pm2.okWith({ cwd: TEMPLATE, env: { PORT: String(port), ...urls() } }, 'start', 'ecosystem.config.cjs');
      await waitFor(async () => (await get({ port, path: '/health/ready' })).status === 200, { what: 'ready' });
    });
    after(() => pm2?.kill());

    it('a reload loses no query, does none twice, and leaves no connection behind', async () => {
      // Every note takes its time in the database, so that queries are in flight whenever a worker leaves.
      await postgres.ask(
        `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END'`,
      );
      await postgres.ask('CREATE TRIGGER slow BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION slow()');
      const texts: string[] = [];
      const counts: number[] = [];
      const writers = Array.from({ length: 24 }, (_, client) => {
        let n = 0;
        const send = (request: { end(body: string): unknown }) => void request.end(`{"text":"${client}-${++n}"}`);
        const headers = { 'content-type': 'application/json' };
        return requests({ port, path: '/notes', method: 'POST', headers, send }, ({ status, body }) => {
          texts.push(JSON.parse(body).note.text);
          return status === 201;
        });
      });
      const counters = Array.from({ length: 8 }, () =>
        requests({ port, path: '/visits', method: 'POST' }, ({ status, body }) => {
          counts.push(JSON.parse(body).visits);
          return status === 200;
        }),
      );
      await waitFor(() => texts.length > 100, { what: 'load', timeoutMs: 20_000 });
      const before = await pm2.processes('app-template');
      await pm2.ok('reload', 'app-template');
      await sleep(300);
      const tallies = await Promise.all([...writers, ...counters].map((client) => client.stop()));

      assert.deepEqual(Object.assign({}, ...tallies.map(({ failures }) => failures)), {}, pm2.logs('app-template'));
      const stored = await postgres.ask('SELECT text FROM notes ORDER BY text');
      assert.deepEqual(stored, texts.toSorted(), 'each note that was answered is there once, and no other');
      assert.equal(new Set(counts).size, counts.length, 'no visit was counted twice');
      assert.deepEqual(await redis.ask('GET app-template:visits'), [String(counts.length)]);
      const now = await pm2.processes('app-template');
      assert.ok(before.every(({ pid }) => now.every((worker) => worker.pid !== pid)));
      assert.doesNotMatch(pm2.daemonLog(), /SIGKILL/);
      console.log(`pm2 reload of ${now.length} workers with PostgreSQL and Redis attached
  ${texts.length} notes answered, ${stored.length} stored; ${counts.length} visits answered and counted; 0 lost, 0 twice`);

      await pm2.ok('stop', 'app-template');
      await waitFor(async () => (await connections()).every((count) => count === 0), { what: 'no connection left' });
    });
  });

  describe('of which one is away', () => {
    let child: ChildProcess;
    let output = '';
    let said: unknown[] = [];
    let port: number;

    const start = async (env: NodeJS.ProcessEnv) => {
      [output, said, port] = ['', [], await freePort()];
      child = fork(join(TEMPLATE, 'dist', 'server.js'), {
        env: cleanEnvironment({ PORT: String(port), ...env }),
        execArgv: [],
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      child.on('message', (message) => said.push(message));
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
    };
    const status = async (path: string) => (await get({ port, path })).status;
    after(() => void child?.kill('SIGKILL'));

    for (const [what, variable, scheme] of [
      ['PostgreSQL', 'DATABASE_URL', 'postgres://app:geheim@'],
      ['Redis', 'REDIS_URL', 'redis://:geheim@'],
    ] as const)
      it(`does not start without ${what}: one clear line, exit code 1, and never ready`, async () => {
        await start({ ...urls(), [variable]: `${scheme}127.0.0.1:${await freePort()}` });
        const [code] = await within(20_000, 'its exit', once(child, 'close'));
        assert.equal(code, 1, output);
        assert.deepEqual(said, []);
        const failed = output.split('\n').filter((line) => line.includes('start failed'));
        assert.equal(failed.length, 1, output);
        assert.match(failed[0]!, /start failed: (postgres|redis): .*ECONNREFUSED/);
        assert.doesNotMatch(output, /geheim/);
        await waitFor(async () => (await connections()).every((count) => count === 0), { what: 'no connection left' });
      });

    it('turns not ready when one is lost, stays alive, and recovers when it is back', async () => {
      await start(urls());
      await waitFor(() => said.includes('ready'), { what: 'ready', timeoutMs: 20_000, context: () => output });
      for (const database of [postgres, redis]) {
        assert.equal(await status('/health/ready'), 200);
        await database.stop();
        await waitFor(async () => (await status('/health/ready')) === 503, { what: 'not ready', timeoutMs: 20_000 });
        assert.equal(await status('/health/live'), 200);
        await database.start();
        await waitFor(async () => (await status('/health/ready')) === 200, { what: 'ready', timeoutMs: 20_000 });
      }
      child.kill('SIGINT');
      const [code] = await within(20_000, 'its exit', once(child, 'exit'));
      assert.equal(code, 0, output);
      await waitFor(async () => (await connections()).every((count) => count === 0), { what: 'no connection left' });
    });
  });
});
