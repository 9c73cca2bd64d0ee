import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { command, replies } from '../../testkit/command.ts';
import { app } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { startLoad, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { type ProcessStatus, untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

interface Dump {
  ok: boolean;
  pid: number;
  file: string;
  bytes: number;
  heapUsed: number;
  drained: boolean;
  reason?: string;
  code?: string;
  finished: number;
  closed: number;
}

describe('a heap dump of one of two workers', () => {
  let pm2: Pm2;
  let port: number;
  let smallPort: number;
  let web: ProcessStatus[];
  before(async () => {
    pm2 = await startWithModule();
    port = await freePort();
    smallPort = await freePort();
    const common = { script: app('memory.cjs'), exec_mode: 'cluster', instances: 2, listen_timeout: 60_000 };
    await pm2.startApp([
      { ...common, name: 'web', env: { PORT: port, MB: 12, MB_OF_NUMBERS: 100 } },
      { ...common, name: 'small', env: { PORT: smallPort, MB: 1 } },
    ]);
    web = await untilAttached(pm2, 'web', 60_000);
    await untilAttached(pm2, 'small', 60_000);
    await untilServing({ port });
    await untilServing({ port: smallPort });
  });
  after(() => pm2.kill());

  it('of at least 100 MB is seen by none of 64 keep-alive clients, and it serves again', async () => {
    const load = startLoad({ port, clients: 64, pauseMs: [0, 20], timeoutMs: 60_000 });
    await waitFor(() => Object.keys(load.stats().servedBy).length === 2, { what: 'both instances to serve' });
    const result = await command(pm2, 'heapdump', 'web', '--json');
    const [dump] = replies<Dump>(result);
    assert.equal(dump!.ok, true, result.stdout);
    assert.equal(dump!.drained, true, result.stdout);
    assert.ok(dump!.heapUsed > 100 * 2 ** 20, result.stdout);
    assert.equal(statSync(dump!.file).size, dump!.bytes);
    const sibling = web.find(({ pid }) => pid !== dump!.pid)!;
    // Its clients are all with the sibling now; they come back when that one sends them away.
    load.phase();
    await pm2.triggerOne(sibling.id, 'disable-keepalive');
    await waitFor(() => load.stats().servedBy[dump!.pid], { what: 'the dumped instance to serve again' });
    await pm2.triggerOne(sibling.id, 'enable-keepalive');
    const { requests, failed, failures } = await load.stop();
    assert.deepEqual({ failed, failures }, { failed: 0, failures: {} }, `of ${requests} requests`);
  });

  it('ends an event stream cleanly, lets an idle client send once more, and cuts no upload that takes longer', async () => {
    const [target] = await pm2.processes('small');
    const pid = target!.pid;
    const stream = await openOn(smallPort, pid, '/events');
    const idle = await openOn(smallPort, pid, '/');
    await idle.body;
    const upload = await openOn(smallPort, pid, '/upload', 'POST');
    const dumping = command(pm2, 'heapdump', String(target!.pm_id), '--timeout', '3000', '--json');
    // The stream ends, so the drain has begun.
    assert.equal(await stream.body, 'data: hello\n\n');
    const again = await open(smallPort, '/', idle.agent);
    assert.deepEqual(
      { pid: (await again.response).headers['x-pid'], connection: (await again.response).headers.connection },
      { pid: String(pid), connection: 'close' },
    );
    await again.body;
    const [dump] = replies<Dump>(await dumping);
    assert.equal(dump!.ok, true, JSON.stringify(dump));
    assert.equal(dump!.drained, false);
    assert.match(dump!.reason ?? '', /1 connections were not done within timeout \(POST \/upload\): nothing was cut/);
    upload.request.end('the rest');
    assert.match(await upload.body, new RegExp(`^pid ${pid} holds`));
    assert.equal((await pm2.triggerOne<{ state: string }>(target!.pm_id, 'ops-status')).state, 'serving');
  });

  it('in the middle of which PM2 reloads the app loses no request either; a rolling reload is refused', async () => {
    const [target] = await pm2.processes('web');
    let reload: Promise<unknown> | undefined;
    let refused: { code?: string; message?: string } | undefined;
    const bus = await pm2.bus((event, { data }) => {
      const said = data as { progress?: { phase: string }; action_name?: string; return?: typeof refused } | undefined;
      if (event === 'axm:reply' && said?.action_name === 'reload') refused = said.return;
      if (event !== 'pm2-ops:agent' || said?.progress?.phase !== 'writing' || reload) return;
      // Without the command, which takes longer to start than a small heap to be written.
      pm2.call('msgProcess', { name: 'pm2-ops', msg: 'reload', opts: 'app=web' }).catch(() => {});
      reload = pm2.ok('reload', 'web');
    });
    const load = startLoad({ port, clients: 16, pauseMs: [0, 20], timeoutMs: 60_000 });
    const dump = await command(pm2, 'heapdump', String(target!.pm_id));
    // PM2 ends the old process, when that has had its kill_timeout, or the dump was faster.
    if (dump.code !== 0)
      assert.match(dump.stderr, /ended in the middle of heapdump.*nothing half written stays behind/);
    await waitFor(() => refused, { what: 'an answer to the rolling reload' });
    bus.close();
    assert.equal(refused?.code, 'E_BUSY', JSON.stringify(refused));
    assert.match(refused?.message ?? '', new RegExp(`instance ${target!.pm_id} of web writes a heap dump`));
    await reload;
    await untilAttached(pm2, 'web', 60_000);
    assert.deepEqual((await load.stop()).failures, {});
    assert.notEqual((await pm2.processes('web'))[0]!.pid, target!.pid);
    assert.deepEqual(partials(pm2), []);
  });

  it('serves again also when the module is killed in the middle, and compresses its dump itself', async () => {
    const [target] = await pm2.processes('small');
    const module = await pm2.process('pm2-ops');
    const bus = await pm2.bus((event, data) => {
      const progress = (data.data as { progress?: { phase: string } } | undefined)?.progress;
      if (event === 'pm2-ops:agent' && progress?.phase === 'writing') process.kill(module.pid, 'SIGKILL');
    });
    const load = startLoad({ port: smallPort, clients: 8, pauseMs: [0, 20], timeoutMs: 60_000 });
    const [asked, dump] = await Promise.all([
      command(pm2, 'heapdump', String(target!.pm_id), '--gzip', '--json'),
      untilDumped(pm2, target!.pid),
    ]);
    bus.close();
    assert.equal(asked.code, 1);
    assert.match(asked.stderr, /the module ended in the middle/);
    assert.match(gunzipSync(readFileSync(dump)).toString('latin1'), /^\{"snapshot".*\}\s*$/s);
    await untilAttached(pm2, 'small', 60_000);
    const status = await pm2.triggerOne<{ state: string; pid: number }>(target!.pm_id, 'ops-status');
    assert.deepEqual({ state: status.state, pid: status.pid }, { state: 'serving', pid: target!.pid });
    assert.deepEqual((await load.stop()).failures, {});
  });
});

/** Nothing that a dump began is left. */
function partials(pm2: Pm2): string[] {
  return readdirSync(join(pm2.home, 'pm2-ops/dumps')).filter((name) => name.endsWith('.partial'));
}

interface Opened {
  agent: Agent;
  request: ClientRequest;
  response: Promise<IncomingMessage>;
  body: Promise<string>;
}

/** One request on that agent's own connection; the body of a POST is left unfinished. */
function open(port: number, path: string, agent = newAgent(), method = 'GET'): Opened {
  // As an EventSource asks: it comes back by itself.
  const headers = path === '/events' ? { accept: 'text/event-stream' } : {};
  const outgoing = request({ port, host: '127.0.0.1', path, agent, method, headers });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
  });
  const body = response.then((answer) => text(answer));
  body.catch(() => {});
  if (method === 'POST') outgoing.write('the first part');
  else outgoing.end();
  return { agent, request: outgoing, response, body };
}

function newAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 1 });
}

async function text(answer: IncomingMessage): Promise<string> {
  let whole = '';
  for await (const part of answer.setEncoding('utf8')) whole += part;
  return whole;
}

/** A connection to that process, whose answer to `path` is on its way; PM2 hands connections out in turn. */
async function openOn(port: number, pid: number, path: string, method = 'GET'): Promise<Opened> {
  for (let i = 0; i < 20; i++) {
    const agent = newAgent();
    const first = open(port, '/', agent);
    const by = (await first.response).headers['x-pid'];
    await first.body;
    if (Number(by) !== pid) {
      agent.destroy();
      continue;
    }
    return open(port, path, agent, method);
  }
  throw new Error(`no connection reached process ${pid}`);
}

/** The newest dump of that process, once it is whole. */
function untilDumped(pm2: Pm2, pid: number): Promise<string> {
  const folder = join(pm2.home, 'pm2-ops/dumps');
  const before = new Set(readdirSync(folder));
  return waitFor(
    () => {
      const name = readdirSync(folder).find(
        (each) => !before.has(each) && each.includes(`-${pid}-`) && /heapsnapshot\.gz$/.test(each),
      );
      return name !== undefined && join(folder, name);
    },
    { what: `a dump of ${pid}`, timeoutMs: 60_000 },
  );
}
