import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { connect } from '../../../module/attach/inspector.ts';
import { app, attacher, cleanup, file, IDLE, LOAD, NODES, portsOf, run, until } from './harness.ts';

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();

  for (const option of ['--inspect', '--inspect=0', '--inspect=127.0.0.1:9345', '--inspect=[::1]:9346']) {
    test(`Node ${version} ${option}: the inspector that is open already is used, and stays open`, async () => {
      const { pid, stderr } = await app(IDLE, { node, words: [option] });
      const open = portsOf(pid);
      const before = stderr();
      assert.equal(open.length, 1);
      const outcome = await attacher().attach(pid, LOAD);
      assert.ok(outcome.ok, JSON.stringify(outcome));
      assert.equal(outcome.port, open[0]);
      assert.deepEqual(portsOf(pid), open);
      assert.equal(
        stderr()
          .slice(before.length)
          .match(/Debugger attached/g)?.length,
        1,
      );
    });
  }

  for (const option of ['--inspect-port=0', '--inspect-port=9350', '--inspect-port=localhost:9351']) {
    test(`Node ${version} ${option}: attached on its own port, which is closed after`, async () => {
      const { pid } = await app(IDLE, { node, words: [option] });
      const outcome = await attacher().attach(pid, LOAD);
      assert.ok(outcome.ok, JSON.stringify(outcome));
      if (!option.endsWith('=0')) assert.equal(outcome.port, Number(option.match(/\d+$/)?.[0]));
      assert.deepEqual(portsOf(pid), []);
    });
  }

  test(`Node ${version}: a port option that a process title hides is found by looking`, async () => {
    const titled = `${IDLE} process.title = 'a title in the place of all the words of the command line, however long';`;
    const { pid } = await app(titled, { node, words: ['--inspect-port=9352'] });
    const outcome = await attacher().attach(pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.equal(outcome.port, 9352);
    assert.deepEqual(portsOf(pid), []);
  });

  test(`Node ${version}: a person's debugger stays connected, and the inspector open`, async () => {
    const { pid } = await app(IDLE, { node, words: ['--inspect'] });
    const person = await connect(9229);
    cleanup(() => person.close());
    const outcome = await attacher().attach(pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.equal(await person.evaluate('globalThis.loaded'), 1);
    assert.deepEqual(portsOf(pid), [9229]);
  });

  test(`Node ${version}: paused in a person's debugger, it is told so and left in peace`, async () => {
    const { pid } = await app(`${IDLE} globalThis.stop = () => { debugger; };`, { node, words: ['--inspect'] });
    const person = new WebSocketClient(await webSocketUrl());
    cleanup(() => person.close());
    await person.opened;
    person.send({ id: 1, method: 'Debugger.enable' });
    person.send({
      id: 2,
      method: 'Runtime.evaluate',
      params: { expression: 'setTimeout(function f() { debugger }, 0)' },
    });
    await until('it is paused', () => person.heard.some((text) => text.includes('Debugger.paused')));
    const outcome = await attachUntilNotBusy(pid);
    assert.ok(!outcome.ok);
    assert.equal(outcome.code, 'paused');
    assert.deepEqual(portsOf(pid), [9229]);
    assert.equal(person.isOpen(), true);
    person.send({ id: 3, method: 'Debugger.resume' });
    await until('it is attached', async () => (await attachUntilNotBusy(pid)).ok);
  });
}

/** A process that never idles is attached in spite of it, after a few attempts. */
async function attachUntilNotBusy(pid: number) {
  const { attach } = attacher();
  for (;;) {
    const outcome = await attach(pid, LOAD);
    if (outcome.ok || outcome.code !== 'busy') return outcome;
  }
}

async function webSocketUrl(): Promise<string> {
  const [target] = (await (await fetch('http://127.0.0.1:9229/json/list')).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  return target!.webSocketDebuggerUrl;
}

test("another program's port is not fought over: the app hears nothing, and its owner is named", async () => {
  const { pid, stderr } = await app(IDLE);
  const other = run('python3', ['-m', 'http.server', '9229', '--bind', '127.0.0.1']);
  await until('it listens', () => portsOf(other.pid).length > 0);
  const { attach } = attacher();
  const outcome = await attach(pid, LOAD);
  assert.ok(!outcome.ok);
  assert.equal(outcome.code, 'port-taken');
  assert.match(outcome.reason, new RegExp(`python3 \\(pid ${other.pid}\\)`));
  assert.ok(outcome.retryAfterMs);
  assert.equal(stderr(), '');
  other.child.kill('SIGKILL');
  await until('it is attached', async () => (await attach(pid, LOAD)).ok);
});

test("an app's own servers are not asked whether they are inspectors", async () => {
  const { pid, ask } = await app(
    `${IDLE} globalThis.requests = 0;
    const server = require('node:http').createServer((_, response) => { globalThis.requests++; response.end('[]'); });
    server.listen(0, '127.0.0.1');`,
  );
  await until('it listens', () => portsOf(pid).length === 1);
  const outcome = await attacher().attach(pid, LOAD);
  assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.deepEqual(await ask('requests'), { value: 0 });
});

test('what another process answers on the port is not believed', async () => {
  // Our own server in the place of an inspector, with the app owning no such port.
  const { pid } = await app(IDLE);
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    response.end(JSON.stringify([{ id: 'x', webSocketDebuggerUrl: 'ws://127.0.0.1:9229/x' }]));
  }).listen(9229, '127.0.0.1');
  await once(server, 'listening');
  cleanup(() => void server.close());
  const outcome = await attacher().attach(pid, LOAD);
  assert.equal(!outcome.ok && outcome.code, 'port-taken');
  assert.equal(asked, 0);
});

test('a process in a network of its own is left alone', async () => {
  const script = file('app.cjs', 'console.log("up"); setInterval(() => {}, 60_000);');
  const apart = run('unshare', ['-n', NODES[0]!, script]);
  await until('it is up', () => apart.stdout() === 'up\n');
  const outcome = await attacher().attach(apart.pid, LOAD);
  assert.equal(!outcome.ok && outcome.code, 'other-network');
  assert.equal(apart.stderr(), '');
});

test('in a pid namespace of its own, a process is told by the pid it has there', async () => {
  const script = file('app.cjs', 'console.log(process.pid); setInterval(() => {}, 60_000);');
  const wrapper = run('unshare', ['--pid', '--fork', '--kill-child', NODES[0]!, script]);
  await until('it is up', () => wrapper.stdout() === '1\n');
  const [pid] = execFileSync('cat', [`/proc/${wrapper.pid}/task/${wrapper.pid}/children`])
    .toString()
    .trim()
    .split(' ');
  const outcome = await attacher().attach(Number(pid), LOAD);
  assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.equal((outcome.value as { pid: number }).pid, 1);
});

/** What a person's tools use. */
class WebSocketClient {
  readonly heard: string[] = [];
  readonly opened: Promise<unknown>;
  private socket: import('ws').WebSocket | undefined;

  constructor(url: string) {
    this.opened = import('ws').then(async ({ WebSocket }) => {
      this.socket = new WebSocket(url, { perMessageDeflate: false });
      this.socket.on('message', (data) => this.heard.push(String(data)));
      await once(this.socket, 'open');
    });
  }

  send(message: object): void {
    this.socket?.send(JSON.stringify(message));
  }

  isOpen(): boolean {
    return this.socket?.readyState === 1;
  }

  close(): void {
    this.socket?.terminate();
  }
}
