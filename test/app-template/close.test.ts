import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnvironment } from '../support/environment.ts';
import { ROOT } from '../support/folders.ts';
import { get } from '../support/load.ts';
import { ensureTemplateBuilt } from '../support/template.ts';
import { freePort, within } from '../support/wait-for.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

describe('app-template asked to leave', () => {
  let child: ChildProcess;

  before(() => ensureTemplateBuilt());
  afterEach(() => child.kill('SIGKILL'));

  /** Starts it, and waits for the message that PM2 waits for. */
  async function start(env: NodeJS.ProcessEnv = {}): Promise<number> {
    const port = await freePort();
    child = fork(join(ROOT, 'app-template', 'dist', 'server.js'), {
      env: cleanEnvironment({ PORT: String(port), ...env }),
      execArgv: [],
    });
    const [message] = await within(5_000, 'ready', once(child, 'message'));
    assert.equal(message, 'ready');
    return port;
  }

  const exit = () => within(10_000, 'its exit', once(child, 'exit')) as Promise<[number | null, string | null]>;

  for (const [how, ask] of [
    ['SIGINT', () => child.kill('SIGINT')],
    ['SIGTERM', () => child.kill('SIGTERM')],
    ["PM2's shutdown message", () => child.send('shutdown')],
  ] as const) {
    it(`by ${how}, it leaves at once when nobody is connected`, async () => {
      await start();
      const started = performance.now();
      ask();
      assert.deepEqual(await exit(), [0, null]);
      assert.ok(performance.now() - started < 1_000);
    });
  }

  it('says live and ready before', async () => {
    const port = await start();
    assert.equal((await get({ port, path: '/health/live' })).status, 200);
    assert.equal((await get({ port, path: '/health/ready' })).status, 200);
  });

  it('answers the next request of an idle connection, and says that it was the last', async () => {
    const port = await start({ kill_timeout: '3000' });
    const client = await open(port);
    assert.match(await client.ask(), /^HTTP\/1\.1 200 [\s\S]*Connection: keep-alive/);
    child.kill('SIGINT');
    await sleep(300);
    await assert.rejects(get({ port }), /ECONNREFUSED/, 'it takes no new connection');
    assert.match(await client.ask(), /^HTTP\/1\.1 200 [\s\S]*Connection: close/);
    assert.deepEqual(await exit(), [0, null]);
  });

  it('leaves before SIGKILL would come, with an end and no reset for connections that stay idle', async () => {
    const port = await start({ kill_timeout: '1500' });
    const client = await open(port);
    await client.ask();
    const started = performance.now();
    child.kill('SIGINT');
    assert.equal(await client.ended(), 'end');
    assert.deepEqual(await exit(), [0, null]);
    const took = performance.now() - started;
    assert.ok(took > 1_000 && took < 1_500, `${took} ms`);
  });
});

interface Client {
  /** Sends a request on the same connection; the response. */
  ask(): Promise<string>;
  /** How the connection came to its end. */
  ended(): Promise<string>;
}

async function open(port: number): Promise<Client> {
  const socket: Socket = connect(port, '127.0.0.1');
  const ended = new Promise<string>((resolve) => {
    socket.once('end', () => resolve('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  await once(socket, 'connect');
  return {
    async ask() {
      socket.write(REQUEST);
      const [chunk] = (await within(5_000, 'an answer', once(socket, 'data'))) as [Buffer];
      return chunk.toString();
    },
    ended: () => within(10_000, 'the end of the connection', ended),
  };
}
