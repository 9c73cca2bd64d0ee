import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MODULE_CMD, MODULE_TOPIC } from '../../../contract/agentMessages.ts';
import { DOOR_SOCKET } from '../../../contract/door.ts';
import type { Reply } from '../../../contract/reply.ts';
import { openDoorServer } from '../../../module/door/doorServer.ts';
import { createHeldSockets, type HeldSockets } from '../../../module/door/heldSockets.ts';
import { nodeBindings } from '../../../shared/ipc/bindings.ts';
import { type AgentProcess, startAgentProcess } from '../../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../../testkit/folders.ts';
import { get, untilServing } from '../../../testkit/load.ts';
import { nodeOf } from '../../../testkit/nodes.ts';
import { freePort, waitFor, within } from '../../../testkit/wait-for.ts';
import { isFree, isOpen } from './prepared.ts';

/** The id of every process here. */
const ID = 0;

describe('An agent that is asked for the sockets of its app', () => {
  const folder = tempFolder();
  const path = join(folder, DOOR_SOCKET);
  let sockets: HeldSockets;
  let server: Server;
  const processes: AgentProcess[] = [];

  before(async () => {
    const bindings = nodeBindings();
    assert.ok(bindings);
    sockets = createHeldSockets();
    const handlers = {
      take: () => ({ held: sockets.of(ID) }),
      put({ at, pid }: { at: string; pid: number }, handle: Parameters<HeldSockets['put']>[2]) {
        sockets.put(ID, at, handle, pid);
        return undefined;
      },
      leave: () => {},
    };
    server = openDoorServer(path, bindings, { ...handlers, limitMs: 30_000 }, (error) => assert.fail(error));
    await waitFor(() => existsSync(path), { what: 'the door' });
  });
  after(() => {
    server.close();
    for (const each of processes) each.kill();
    sockets.drop(ID);
  });

  async function start(script: string, env: NodeJS.ProcessEnv, node?: string): Promise<AgentProcess> {
    sockets.drop(ID);
    const started = await startAgentProcess(script, { stateDir: folder, env, ...(node ? { node } : {}) });
    processes.push(started);
    return started;
  }

  /** Says what the module says, and hears the reply. */
  function handOver({ child }: AgentProcess): Promise<Reply & { addresses?: string[]; message?: string }> {
    const reply = new Promise<Reply>((resolve) => {
      child.on('message', ({ data }: { data?: { kind: string; nonce?: string; reply: Reply } }) => {
        if (data?.kind === 'reply' && data.nonce === 'door') resolve(data.reply);
      });
    });
    child.send({ cmd: MODULE_CMD, topic: MODULE_TOPIC, data: { kind: 'door', nonce: 'door', path } });
    return within(10_000, 'the reply', reply);
  }

  it('hands them over, and the kernel keeps clients when it is killed', async () => {
    const port = await freePort();
    const agent = await start(app('listens-later.cjs'), { PORT: String(port) });
    await untilServing({ port });
    const reply = await handOver(agent);
    const [at = ''] = reply.addresses ?? [];
    assert.match(at, new RegExp(`:${port}$`));
    assert.deepEqual([...sockets.of(ID).keys()], [at]);
    assert.equal(sockets.isUsed(ID, at), true);
    agent.kill();
    await waitFor(() => !sockets.isUsed(ID, at), { what: 'its end' });
    assert.equal(await isOpen(port), true);
    sockets.drop(ID);
    await waitFor(() => isFree(port), { what: 'the port free', timeoutMs: 1_000 });
  });

  it('lets the app close its server and listen again where its socket is held', async () => {
    const port = await freePort();
    const agent = await start(app('listens-later.cjs'), { PORT: String(port) });
    const before = await untilServing({ port });
    await handOver(agent);
    await get({ port, path: '/again' });
    assert.equal((await get({ port })).body, before);
  });

  it('is drained and resumed where its socket is held', async () => {
    const port = await freePort();
    const agent = await start(app('listens-later.cjs'), { PORT: String(port) });
    await untilServing({ port });
    await handOver(agent);
    const drained = agent.run('drain', { force: true });
    await waitFor(() => agent.said.some((each) => JSON.stringify(each).includes('"kind":"ask"')), { what: 'the ask' });
    const ask = agent.said
      .map((each) => (each as { data: { kind: string; id: string } }).data)
      .findLast(({ kind }) => kind === 'ask');
    const data = { kind: 'verdict', id: ask?.id, verdict: { is: 'go' } };
    agent.child.send({ cmd: MODULE_CMD, topic: MODULE_TOPIC, data });
    assert.equal((await drained).ok, true);
    const resumed = await agent.run('resume');
    assert.equal(resumed.ok, true, JSON.stringify(resumed));
    await untilServing({ port });
  });

  it('hands over none that shares its port by itself, is a path, or is on any free port', async (t) => {
    const node = nodeOf({ major: 24 });
    if (!node) return t.skip('there is no Node 24 here');
    const script = join(folder, 'shares.cjs');
    const code = (port: number) => `
      const { createServer } = require('node:http');
      createServer((_, response) => response.end('pid 1')).listen({ port: ${port}, reusePort: true });
      if (process.env.REST) {
        createServer().listen(${JSON.stringify(join(folder, 'app.sock'))});
        createServer().listen(0);
      }`;
    const port = await freePort();
    writeFileSync(script, code(port));
    const agent = await start(script, {}, node.path);
    await untilServing({ port });
    const reply = await handOver(agent);
    assert.match(reply.message ?? '', /shares its port by itself/);
    assert.equal(sockets.of(ID).size, 0);

    writeFileSync(script, code(port).replace(', reusePort: true', ''));
    agent.kill();
    await waitFor(() => isFree(port), { what: 'the port' });
    const other = await start(script, { REST: '1' }, node.path);
    await untilServing({ port });
    assert.equal((await handOver(other)).addresses?.length, 1);
  });

  it('is served while others say what is no request, or nothing', async () => {
    const silent = Array.from({ length: 20 }, () => connect(path));
    for (const words of [
      'no request\n',
      '{"ask":"take"}\n',
      '{"ask":"put","pmId":0,"pid":1,"at":"x","handle":true}\n',
      'x'.repeat(20_000),
    ]) {
      const peer = connect(path);
      const ended = new Promise((resolve) => peer.once('close', resolve));
      peer.on('error', () => {});
      peer.resume();
      peer.write(words);
      await within(2_000, `the end of a peer that says ${words.slice(0, 30)}`, ended);
    }
    const port = await freePort();
    const agent = await start(app('listens-later.cjs'), { PORT: String(port) });
    await untilServing({ port });
    assert.equal((await handOver(agent)).ok, true);
    for (const each of silent) each.destroy();
  });

  it('can be asked a thousand times, and nothing stays open', async () => {
    const port = await freePort();
    const agent = await start(app('listens-later.cjs'), { PORT: String(port) });
    await untilServing({ port });
    await handOver(agent);
    const before = readdirSync('/proc/self/fd').length;
    for (let round = 0; round < 1_000; round++) await handOverQuietly(agent);
    await waitFor(() => readdirSync('/proc/self/fd').length <= before + 2, { what: 'all closed' });
    assert.equal((await handOver(agent)).ok, true);
  });

  async function handOverQuietly({ child }: AgentProcess): Promise<void> {
    const answered = new Promise<void>((resolve) => child.once('message', () => resolve()));
    child.send({ cmd: MODULE_CMD, topic: MODULE_TOPIC, data: { kind: 'door', nonce: 'quiet', path } });
    await answered;
  }
});
