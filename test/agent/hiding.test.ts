import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { hideFromApp } from '../../agent/hiding.ts';
import { startAgentProcess } from '../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { nodes } from '../../testkit/nodes.ts';
import { waitFor } from '../../testkit/wait-for.ts';

interface Said {
  type: string;
  data: {
    got?: unknown[];
    told?: string[];

    action_name?: string;
    return?: { ok: boolean; code?: string };
  };
}

for (const { path, version } of nodes()) {
  describe(`a pm2 trigger of ours, and an app that listens to messages itself, on Node ${version}`, () => {
    it('is answered, and not seen by a listener that came after the agent; any other message is', async () => {
      const { send, replies, report } = await start('plain', path);
      send('ops-status');
      send({ msg: 'drain', opts: 'nonsense', id: 0 });
      send('reopenLogs');
      send({ mine: 1 });
      await waitFor(() => replies().length === 2, { what: 'both replies' });
      assert.deepEqual((await report()).got, ['reopenLogs', { mine: 1 }]);
    });

    it('is not seen when the agent has left, either, while its stub answers', async () => {
      const { send, replies, report, detach } = await start('plain', path);
      detach();
      send('gc');
      const [reply] = await waitFor(() => replies().length === 1 && replies(), { what: 'the reply of the stub' });
      assert.equal(reply?.return?.code, 'E_STATE');
      assert.deepEqual((await report()).got, []);
    });

    it('is not seen through a process.emit that the app has replaced, which gets all others', async () => {
      const { send, replies, report } = await start('wrapped', path);
      send('ops-status');
      send({ mine: 1 });
      await waitFor(() => replies().length === 1, { what: 'the reply' });
      const { got, told } = await report();
      assert.deepEqual(got, [{ mine: 1 }]);
      assert.ok(told!.includes('message'));
    });

    it('is seen by an app with actions of its own, whose library may have one of that name', async () => {
      const { send, replies, report } = await start('library', path);
      send('ops-status');
      await waitFor(() => replies().length === 1, { what: 'the reply' });
      const { got, told } = await report();
      assert.deepEqual(got, ['ops-status']);
      assert.deepEqual(told, ['ops-status']);
    });
  });
}

describe('what keeps triggers from the app', () => {
  const heard: unknown[] = [];
  const listener = (message: unknown) => void heard.push(message);
  const emit = (message: unknown) => process.emit('message', message, undefined);

  it('leaves the process as it was, also when somebody has wrapped it meanwhile', (t) => {
    process.on('message', listener);
    t.after(() => process.off('message', listener));
    const before = Object.getOwnPropertyDescriptor(process, 'emit');
    const show = hideFromApp((message) => message === 'ours');
    emit('ours');
    emit('mine');
    show();
    assert.deepEqual(Object.getOwnPropertyDescriptor(process, 'emit'), before);

    const showAgain = hideFromApp((message) => message === 'ours');
    const hiding = process.emit;
    process.emit = ((...args: unknown[]) => Reflect.apply(hiding, process, args)) as typeof process.emit;
    showAgain();
    emit('theirs');
    assert.deepEqual(heard, ['mine', 'theirs']);
    process.emit = hiding;
    hideFromApp((message) => message === 'ours')();
    assert.deepEqual(Object.getOwnPropertyDescriptor(process, 'emit'), before);
    assert.equal(
      (process as NodeJS.EventEmitter).listeners('newListener').filter((each) => each.name === 'onListener').length,
      0,
    );
  });
});

const kills: (() => void)[] = [];
after(() => {
  for (const kill of kills) kill();
});

async function start(mode: string, node: string) {
  const {
    child,
    said: all,
    detach,
    kill,
  } = await startAgentProcess(app('hearing.cjs'), {
    stateDir: tempFolder(),
    node,
    env: { MODE: mode },
  });
  kills.push(kill);
  const said = all as readonly Said[];
  await waitFor(() => said.some(({ type }) => type === 'listens'), { what: 'the app to listen' });
  return {
    detach,
    send: (message: string | object) => void child.send(message),
    replies: () => said.filter(({ type }) => type === 'axm:reply').map(({ data }) => data),
    async report() {
      child.send('what?');
      const last = await waitFor(() => said.find(({ type }) => type === 'got'), { what: 'what the app got' });
      child.kill('SIGKILL');
      return last.data;
    },
  };
}
