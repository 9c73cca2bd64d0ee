import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askStoppedPrimary } from '../support/stoppedPrimary.ts';
import { type App, get, type Inside, onEveryNode, plainApp, portOf, start } from './helper.ts';

const host = '127.0.0.1';

/** Clients with a keep-alive connection each that ask again and again and never try a request twice. */
class Load {
  readonly failures: string[] = [];
  answered = 0;
  readonly servedBy = new Set<string>();
  #running = true;
  readonly #clients: Promise<void>[];

  constructor(where: http.RequestOptions, clients: number) {
    this.#clients = Array.from({ length: clients }, () => this.#client(where));
  }

  /** Waits until `count` more requests have been answered. */
  async more(count: number): Promise<void> {
    const goal = this.answered + count;
    while (this.answered + this.failures.length < goal) await new Promise((done) => setTimeout(done, 5));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #client(where: http.RequestOptions): Promise<void> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (this.#running) {
      try {
        const { body } = await get({ ...where, agent });
        this.servedBy.add(body.split(' ')[1] ?? '');
        this.answered++;
      } catch (error) {
        this.failures.push(String(error));
        return;
      }
    }
    agent.destroy();
  }
}

const pid = (app: App, to: number) => app.run(() => process.pid, [], to);

onEveryNode('cluster', (node) => {
  for (const scheduling of ['rr', 'none'] as const) {
    for (const listenArgs of [[0, host], [{ port: 0 }]]) {
      test(`64 busy keep-alive clients lose nothing while one of two workers drains and resumes (scheduling ${scheduling}, ${JSON.stringify(listenArgs)})`, async (t) => {
        const app = await start(t, node, plainApp, [listenArgs], { workers: 2, scheduling });
        const port = await portOf(app);
        assert.equal(await portOf(app, 1), port);
        const drained = String(await pid(app, 0));
        const load = new Load({ host, port, path: '/?ms=3' }, 64);
        await load.more(300);
        await app.load();
        for (let round = 0; round < 2; round++) {
          const { cut } = await app.engine<{ cut: number }>('drain', [{ budgetMs: 8_000 }]);
          assert.equal(cut, 0);
          assert.equal(await app.engine('state'), 'drained');
          assert.deepEqual(await app.engine('totals'), { connections: 0, inFlight: 0 });
          load.servedBy.clear();
          await load.more(500);
          assert.equal(load.servedBy.has(drained), false, 'a drained worker serves nobody');
          // Clients that connect now reach the sibling.
          for (let i = 0; i < 20; i++) assert.equal((await get({ host, port })).status, 200);
          assert.match((await app.engine<string[]>('resume')).join(), new RegExp(`:${port}$`));
          load.servedBy.clear();
          // The clients that are connected stay where they are.
          const bodies = new Set<string>();
          for (let i = 0; i < 200 && bodies.size < 2; i++) bodies.add((await get({ host, port })).body);
          assert.equal(bodies.size, 2, 'a resumed worker serves again');
        }
        await load.stop();
        assert.deepEqual(load.failures, []);
        assert.equal(load.answered > 500, true);
      });
    }
  }

  test('new connections are never refused while a sibling serves', async (t) => {
    const app = await start(t, node, plainApp, [], { workers: 2 });
    const port = await portOf(app);
    await app.load();
    let running = true;
    let answered = 0;
    const clients = Array.from({ length: 8 }, async () => {
      while (running) {
        assert.equal((await get({ host, port })).status, 200);
        answered++;
      }
    });
    for (let round = 0; round < 5; round++) {
      assert.equal((await app.engine<{ cut: number }>('drain', [{ budgetMs: 3_000 }])).cut, 0);
      await app.engine('resume');
    }
    running = false;
    await Promise.all(clients);
    assert.equal(answered > 20, true, `${answered} answered`);
  });

  test('a worker that leaves waits for what the primary hands over before it hears of that, and no longer', async (t) => {
    const app = await start(t, node, plainApp, [], { workers: 2 });
    const port = await portOf(app);
    await app.load();
    const leaving = await app.run(({ engine }) => {
      process.once('SIGUSR2', () => engine.drain({ budgetMs: 40_000, last: true }).then(() => process.exit(7)));
      return process.pid;
    }, []);
    const left = new Promise<number>((resolve) => {
      app.child.on('message', ({ died, code }: { died?: number; code: number }) => died === 0 && resolve(code));
    });
    const primary = app.child.pid as number;
    const answers = await askStoppedPrimary(primary, port, () => process.kill(leaving, 'SIGUSR2'));
    const late = sleep(20_000, 'half of its budget', { ref: false });
    assert.equal(await Promise.race([left, late]), 7);
    for (const answer of answers) assert.match(answer, /^HTTP\/1.1 200 /);
  });

  test('two servers on port 0 come back to the ports that the siblings still serve', async (t) => {
    const app = await start(t, node, plainApp, [], { workers: 2 });
    for (const to of [0, 1])
      await app.run(
        async ({ require, vars, listening }) => {
          vars.second = (require('node:http') as typeof http)
            .createServer((_, r) => r.end(`second ${process.pid}`))
            .listen(0, '127.0.0.1');
          await listening(vars.second);
        },
        [],
        to,
      );
    const ports = ({ vars }: Inside) => [vars.server.address().port as number, vars.second.address().port as number];
    const before = await app.run(ports, [], 0);
    assert.deepEqual(await app.run(ports, [], 1), before);
    await app.load(0);
    await app.load(1);
    await app.engine('drain', [{ budgetMs: 1_000 }], 0);
    await app.engine('resume', [], 0);
    assert.deepEqual(await app.run(ports, [], 0), before);
    // With nobody left to hold the ports they are opened again by number.
    await app.engine('drain', [{ budgetMs: 1_000 }], 0);
    await app.engine('drain', [{ budgetMs: 1_000 }], 1);
    await assert.rejects(get({ host, port: before[0] as number }), { code: 'ECONNREFUSED' });
    await app.engine('resume', [], 0);
    await app.engine('resume', [], 1);
    assert.deepEqual(await app.run(ports, [], 0), before);
    assert.deepEqual(await app.run(ports, [], 1), before);
    await app.engine('drain', [{ budgetMs: 1_000 }], 0);
    for (const port of before) assert.match((await get({ host, port })).body, / \d+$/);
    await app.engine('resume', [], 0);
    assert.deepEqual(await app.run(ports, [], 0), before);
  });

  test('a server that cannot be looked up is learnt with its next connection, which is answered, and then closed', async (t) => {
    const app = await start(t, node, plainApp, [], { workers: 1 });
    const port = await portOf(app);
    await app.run(({ require }) => {
      (require('node:inspector') as { Session: unknown }).Session = class {
        constructor() {
          throw new Error('no inspector here');
        }
      };
    }, []);
    await app.load();
    assert.equal(await app.engine('state'), 'no-server');
    await app.engine('drain', [{ budgetMs: 1_000 }]);
    assert.equal(await app.engine('state'), 'drained');
    assert.deepEqual(await app.engine('servers'), []);
    const first = await get({ host, port, headers: { connection: 'keep-alive' } });
    assert.deepEqual([first.status, first.connection], [200, 'close']);
    await assert.rejects(get({ host, port }), { code: 'ECONNREFUSED' });
    await app.engine('resume');
    assert.equal(await app.engine('state'), 'serving');
    assert.equal((await get({ host, port })).status, 200);
  });
});
