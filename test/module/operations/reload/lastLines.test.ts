import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LastLines } from '../../../../module/operations/reload/lastLines.ts';

const secret = ['hun', 'ter2'].join('');

describe('the last lines of a process that did not come up', () => {
  it('are without colours and without secrets, also where a colour is in the middle of one', () => {
    const words = new LastLines();
    words.heard(3, `\u001b[31mconnecting\u001b[39m to postgres://app:${secret}@db\n`);
    words.heard(3, `{ password: \u001b[32m'${secret}'\u001b[39m }\nDB_PASSWORD=\u001b[1m${secret}\u001b[22m\n`);
    words.ended(3);
    assert.deepEqual(words.of(3, true), [
      'connecting to postgres://app:[redacted]@db',
      '{ password: [redacted] }',
      'DB_PASSWORD=[redacted]',
    ]);
  });

  it('are those of the life that ended, and not what Node says about the inspector', () => {
    const words = new LastLines();
    words.heard(3, 'Debugger listening on ws://127.0.0.1:9229/x\nno database configured\n\n');
    words.ended(3);
    words.heard(3, 'starting\n');
    assert.deepEqual(words.of(3, true), ['no database configured']);
    assert.deepEqual(words.of(3, false), ['starting']);
    words.forget(3);
    assert.deepEqual(words.of(3, true), []);
  });
});
