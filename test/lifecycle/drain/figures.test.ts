import assert from 'node:assert/strict';
import type http from 'node:http';
import { test } from 'node:test';
import { figuresOf, outcomesOf, startCounting, startFarEnd } from '../../support/countingClients.ts';
import { type App, type Inside, onEveryNode, start, until } from './helper.ts';

type Result = {
  finished: number;
  closed: number;
  cut: number;
  left?: number;
  cutRequests?: { method: string; path: string }[];
  leftRequests?: { method: string; path: string }[];
};

async function everyStream({ require, vars, listening }: Inside) {
  const { serve } = require('../../apps/every-stream.cjs') as {
    serve(ports: object): Record<string, http.Server>;
  };
  vars.servers = serve({ http: 0, h2c: 0, raw: 0 });
  for (const server of Object.values(vars.servers as Record<string, http.Server>))
    if (!server.listening) await listening(server);
}

const portsOf = (app: App): Promise<{ http: number; h2c: number; raw: number }> =>
  app.run(
    ({ vars }) =>
      Object.fromEntries(
        Object.entries(vars.servers as Record<string, http.Server>).map(([name, server]) => [
          name,
          (server.address() as { port: number }).port,
        ]),
      ) as { http: number; h2c: number; raw: number },
    [],
  );

onEveryNode('the figures of a drain', (node) => {
  for (const [what, ms, budgetMs] of [
    ['everything is finished in time', 500, 2_000],
    ['nothing ends by itself', 60_000, 1_000],
  ] as const) {
    test(`are those that its clients counted, when ${what}`, async (t) => {
      const app = await start(t, node, everyStream, []);
      const counting = await startCounting(t, { ...(await portsOf(app)), ...(await startFarEnd(t)) }, ms);
      await app.load();
      const draining = app.engine<Result>('drain', [{ budgetMs }]);
      await until('it drains', async () => (await app.engine('state')) === 'draining');
      counting.leave();
      const { finished, closed, cut } = await draining;
      await counting.over();
      assert.deepEqual({ finished, closed, cut }, figuresOf(counting.clients), outcomesOf(counting.clients));
      assert.equal(cut > 0, ms > budgetMs, outcomesOf(counting.clients));
      assert.deepEqual(
        counting.clients.filter(({ strange }) => strange !== ''),
        [],
      );
    });
  }

  test('of a dump are those, too: what is not finished is left and never cut', async (t) => {
    const app = await start(t, node, everyStream, []);
    const counting = await startCounting(t, { ...(await portsOf(app)), ...(await startFarEnd(t)) }, 3_000);
    await app.load();
    const draining = app.engine<Result>('drain', [{ budgetMs: 2_000, unfinished: 'leave' }]);
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    counting.leave();
    const { left, leftRequests, ...figures } = await draining;
    assert.deepEqual(figures, figuresOf(counting.clients), outcomesOf(counting.clients));
    const open = counting.clients.filter(({ isOpen }) => isOpen);
    assert.equal(left, open.length, outcomesOf(counting.clients));
    assert.equal(leftRequests?.length, 10);
    await app.engine('resume');
    await counting.over();
    const { cut } = figuresOf(counting.clients);
    assert.equal(cut, 0, outcomesOf(counting.clients));
    assert.deepEqual(
      counting.clients.filter(({ strange }) => strange !== ''),
      [],
    );
  });
});
