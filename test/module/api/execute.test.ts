import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createExecute, type ExecuteParts } from '../../../module/api/execute.ts';
import { createEvents } from '../../../module/events/events.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import { listed } from '../../support/listed.ts';

describe('the door for commands', () => {
  it('means the same processes by the same words in every command', async () => {
    const { execute, asked } = door();
    for (const [target, pmId] of [
      ['1', 1],
      ['web:0', 0],
      ['default:web:0', 0],
      ['1:5', 5],
      ['api', 1],
    ] as const) {
      asked.length = 0;
      await execute({ command: 'attach', params: { target } });
      await execute({ command: 'detach', params: { target } });
      await execute({ command: 'stack', params: { target } });
      assert.deepEqual(asked, [`attach ${pmId}`, `detach ${pmId}`, `stack ${1000 + pmId}`], target);
    }
  });

  it('answers what no process is meant by alike', async () => {
    const { execute } = door();
    for (const command of ['attach', 'detach', 'stack'] as const) {
      const reply = await execute({ command, params: { target: 'web:7' } });
      assert.ok(!reply.ok && reply.code === 'E_PARAMS' && reply.action === command);
      assert.deepEqual([reply.message, reply.hint], ['web has no instance with that id', 'it has 0']);
    }
  });

  it('answers in any case: a fault of the module is E_INTERNAL under the name of what was asked', async () => {
    const { execute } = door({ refresh: () => Promise.reject(new Error('no daemon')) });
    const reply = await execute({ command: 'attach', params: { target: 'all' } });
    assert.ok(!reply.ok);
    assert.deepEqual([reply.action, reply.code, reply.message], ['attach', 'E_INTERNAL', 'no daemon']);
  });

  it('tells the steps of a reload to the one who asked, and as events', async () => {
    const events = createEvents(() => {});
    const heard: string[] = [];
    events.on('reload-step', ({ progress }) => void heard.push(`event ${progress.message}`));
    const step = { action: 'reload', app: 'web', step: 'begin', message: 'begins', ms: 0 } as const;
    const { execute } = door({
      events,
      reloads: {
        async reload(_request, tell) {
          tell(step);
          return { ok: true, action: 'reload', app: 'web', instances: 1, replaced: [], notes: [], ms: 0 };
        },
      },
    });
    const request = { command: 'reload', params: { app: 'web', by: 'command' } as never } as const;
    const reply = await execute(request, ({ message }) => heard.push(`progress ${message}`));
    assert.equal(reply.ok, true);
    assert.deepEqual(heard, ['event begins', 'progress begins']);
  });
});

function door(replaced: Partial<ExecuteParts> = {}) {
  const fleet = createFleet(() => true);
  // Digits are a pm_id first: the app that is called 1 is meant by 1:5.
  fleet.sync([listed({ pmId: 0, name: 'web' }), listed({ pmId: 1, name: 'api' }), listed({ pmId: 5, name: '1' })]);
  const asked: string[] = [];
  const parts = {
    fleet,
    refresh: async () => {},
    attachLoop: {
      retry: ([member]: { process: { pmId: unknown } }[]) => asked.push(`attach ${member?.process.pmId}`),
      detach: async ([member]: { process: { pmId: unknown } }[]) => {
        asked.push(`detach ${member?.process.pmId}`);
      },
    },
    attacher: {
      look: async (pid: number) => {
        asked.push(`stack ${pid}`);
        return { kernel: null, samples: 0 };
      },
    },
    ...replaced,
  };
  return { execute: createExecute(parts as unknown as ExecuteParts), asked };
}
