import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type DrainEngine, takeEngine } from '../../drain/index.ts';
import { get } from '../../testkit/load.ts';

describe('the engine that a service and the agent share', () => {
  let service: DrainEngine;
  let agent: DrainEngine;
  let server: ReturnType<typeof createServer>;
  let port: number;

  beforeEach(async () => {
    service = takeEngine();
    agent = takeEngine();
    server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    await Promise.all([service.dispose(), agent.dispose()]);
    await new Promise((resolve) => server.close(resolve));
  });

  it('stands the same towards clients for both, and tells both', async () => {
    const heard: string[] = [];
    service.onState((state) => heard.push(`service ${state}`));
    agent.onState((state) => heard.push(`agent ${state}`));
    await agent.drain({ budgetMs: 1_000 });
    assert.deepEqual([service.state(), agent.state()], ['drained', 'drained']);
    assert.deepEqual(heard.sort(), ['agent drained', 'agent draining', 'service drained', 'service draining']);
    await service.resume();
    assert.equal((await get({ port })).body, 'hello');
  });

  it('serves again when the one that drained it goes, and only then', async () => {
    await agent.drain({ budgetMs: 1_000 });
    agent.disableKeepAlive();
    await agent.dispose();
    assert.deepEqual([service.state(), service.keepAlive()], ['serving', true]);
    await service.drain({ budgetMs: 1_000 });
    const second = takeEngine();
    await second.dispose();
    assert.equal(service.state(), 'drained');
  });

  it('never listens again in a process that is on its way out', async () => {
    await agent.drain({ budgetMs: 1_000 });
    await service.drain({ budgetMs: 1_000, last: true });
    await assert.rejects(agent.resume(), /on its way out/);
    await agent.dispose();
    assert.equal(service.state(), 'drained');
    await assert.rejects(get({ port }), /ECONNREFUSED/);
  });

  it('finishes in the last drain what one before had left open', async () => {
    server.removeAllListeners('request');
    server.on('request', (_request, response) => setTimeout(() => response.end('slow'), 600));
    const slow = get({ port });
    await once(server, 'request');
    assert.equal((await agent.drain({ budgetMs: 50, unfinished: 'leave' })).left, 1);
    assert.equal(service.state(), 'drained');
    const { finished, cut } = await service.drain({ budgetMs: 20_000, last: true });
    assert.deepEqual({ finished, cut }, { finished: 1, cut: 0 });
    assert.equal((await slow).body, 'slow');
  });

  it('is a new one when nobody has it any more', async () => {
    await service.drain({ budgetMs: 1_000 });
    await Promise.all([service.dispose(), agent.dispose()]);
    service = takeEngine();
    assert.equal(service.state(), 'serving');
    assert.equal((await get({ port })).body, 'hello');
  });
});
