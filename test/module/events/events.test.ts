import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEvents, subjectOf } from '../../../module/events/events.ts';
import { listed } from '../../support/listed.ts';

describe('what happens in the module', () => {
  const process = subjectOf(listed({ pmId: 1, name: 'web' }));

  it('is told to every subscriber of that event alone, in their order, until they end it', () => {
    const events = createEvents(() => {});
    const heard: string[] = [];
    const end = events.on('attached', ({ agent }) => void heard.push(`first ${agent}`));
    events.on('attached', ({ process: { name } }) => void heard.push(`second ${name}`));
    events.on('exited', () => void heard.push('exited'));
    events.emit('attached', { process, agent: '1.0.0' });
    end();
    events.emit('attached', { process, agent: '1.0.0' });
    assert.deepEqual(heard, ['first 1.0.0', 'second web', 'second web']);
  });

  it('is told to the others where a subscriber fails, at once or later, and the log has why', async () => {
    const log: string[] = [];
    const events = createEvents((line) => log.push(line));
    let heard = 0;
    events.on('exited', () => {
      throw new Error('at once');
    });
    events.on('exited', async () => {
      throw new Error('later');
    });
    events.on('exited', () => {
      heard += 1;
    });
    events.emit('exited', { process });
    await new Promise(setImmediate);
    assert.equal(heard, 1);
    assert.deepEqual(log, ['a subscriber of "exited" failed: at once', 'a subscriber of "exited" failed: later']);
  });

  it('may end its own subscription while it is told', () => {
    const events = createEvents(() => {});
    const heard: string[] = [];
    const end = events.on('exited', () => {
      heard.push('once');
      end();
    });
    events.on('exited', () => void heard.push('always'));
    events.emit('exited', { process });
    events.emit('exited', { process });
    assert.deepEqual(heard, ['once', 'always', 'always']);
  });

  it('says of a process what it is called, and nothing of its environment', () => {
    assert.deepEqual(process, { pmId: 1, pid: 1001, namespace: 'default', name: 'web' });
  });
});
