import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { prove } from '../../../module/attach/closing.ts';
import { connect } from '../../../module/attach/inspector.ts';
import { app, attacher, IDLE, LOAD, portsOf, until } from './harness.ts';

test('a process has to prove by its inspector that it is the one that was signalled', async () => {
  const [one, other] = await Promise.all([app(IDLE, { words: ['--inspect=0'] }), app(IDLE)]);
  const session = await connect({ host: '127.0.0.1', port: portsOf(one.pid)[0]! }, { timeoutMs: 5_000 });
  try {
    assert.equal((await prove(session, one.pid, 5_000))?.pid, one.pid);
    assert.equal(await prove(session, other.pid, 5_000), null);
  } finally {
    await session.close();
  }
});

test('an inspector to which somebody else is connected is not closed under them: that would block the app', async () => {
  const { pid, ask } = await app(`${IDLE} globalThis.up = true;`);
  let person: WebSocket | undefined;
  const { attach } = attacher({
    async onStep(step) {
      // Once: when they have left, it is visited again.
      if (step !== 'proven' || person) return;
      const [target] = (await (await fetch('http://127.0.0.1:9229/json/list')).json()) as [
        { webSocketDebuggerUrl: string },
      ];
      const socket = new WebSocket(target.webSocketDebuggerUrl);
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      person = socket;
    },
  });
  try {
    const outcome = await attach(pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.equal(person?.readyState, WebSocket.OPEN);
    const late = new Promise((_resolve, reject) => {
      setTimeout(() => reject(new Error('the app does not answer')), 5_000).unref();
    });
    assert.deepEqual(await Promise.race([ask('up'), late]), { value: true });
    assert.equal(portsOf(pid).length, 1);
  } finally {
    person?.terminate();
  }
  await until('it is closed when they have left', () => portsOf(pid).length === 0);
});
