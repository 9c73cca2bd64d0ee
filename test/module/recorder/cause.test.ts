import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { causeOf, type ExitFacts } from '../../../module/recorder/cause.ts';

const NOTHING: ExitFacts = {
  pmId: 3,
  isAsked: false,
  isReset: false,
  isReloadAsRestart: false,
  commands: [],
  mode: 'fork',
  pm2Code: 0,
  pm2Signal: 'SIGINT',
  hadAgent: true,
};
const ASKED: ExitFacts = { ...NOTHING, isAsked: true };
const WORDS = { ranDry: false } as const;

/** What is told of an exit of which this is known. */
function told(facts: Partial<ExitFacts>, base = NOTHING) {
  const { cause, certainty, by, code, signal, asked } = causeOf({ ...base, ...facts });
  return { cause, certainty, who: by.who, code, signal, ...(asked === undefined ? {} : { asked }) };
}

describe('the cause of an exit', () => {
  it('is an uncaught exception also where PM2 says code 0, as it does in cluster mode', () => {
    const exception = { at: 1, fatal: true, origin: 'uncaughtException', name: 'TypeError', message: 'no', stack: '' };
    const facts = causeOf({ ...NOTHING, mode: 'cluster', words: { ...WORDS, exitCode: 0, exception } });
    assert.equal(facts.cause, 'uncaught-exception');
    assert.equal(facts.headline, 'uncaught TypeError: no');
  });

  it('is no exception that the app had handled before', () => {
    const exception = { at: 1, fatal: false, origin: 'uncaughtException', name: 'TypeError', message: 'no', stack: '' };
    assert.equal(told({ words: { ...WORDS, exitCode: 2, exception } }).cause, 'exit-call');
  });

  it('is the code that the process itself saw, not what PM2 says', () => {
    assert.deepEqual(told({ words: { ...WORDS, exitCode: 3 }, pm2Code: 0 }), {
      ...{ cause: 'exit-call', certainty: 'sure', who: 'itself', code: 3, signal: null },
    });
  });

  it('tells running dry from a call of process.exit', () => {
    assert.equal(told({ words: { ranDry: true, exitCode: 0 } }).cause, 'ran-dry');
    assert.equal(told({ words: { ranDry: true, exitCode: 4 } }).cause, 'exit-call');
  });

  it('is a signal from outside where PM2 had not been asked', () => {
    assert.deepEqual(told({ pm2Signal: 'SIGTERM' }), {
      ...{ cause: 'signal', certainty: 'sure', who: 'outside', code: null, signal: 'SIGTERM' },
    });
    assert.equal(told({ pm2Signal: 'SIGKILL' }).cause, 'signal');
  });

  it('is only probably SIGINT, which PM2 names where there was no signal', () => {
    assert.deepEqual(told({}), {
      ...{ cause: 'signal', certainty: 'probable', who: 'outside', code: null, signal: 'SIGINT' },
    });
  });

  it('is the signal that the agent drained on', () => {
    assert.deepEqual(told({ drainedOn: 'SIGTERM', words: { ...WORDS, exitCode: 0 } }), {
      ...{ cause: 'signal', certainty: 'sure', who: 'outside', code: 0, signal: 'SIGTERM' },
    });
  });

  it('is unknown without an agent where code and signal tell nothing', () => {
    const { cause, certainty, by } = causeOf({ ...NOTHING, hadAgent: false });
    assert.deepEqual({ cause, certainty, by }, { cause: 'unknown', certainty: 'probable', by: { who: 'unknown' } });
  });

  it('is probable without an agent where an exception or a code is all that was seen', () => {
    const without = { ...NOTHING, hadAgent: false };
    assert.deepEqual(told({ thrown: { message: 'Error: no' }, pm2Code: 1 }, without).cause, 'uncaught-exception');
    assert.deepEqual(told({ trace: 'Error: no', pm2Code: 1 }, without).certainty, 'probable');
    assert.deepEqual(told({ pm2Code: 7 }, without).code, 7);
  });

  it('is the kernel only probably, and only for a SIGKILL that PM2 did not send', () => {
    const oomKill = 'oom_kill rose';
    assert.deepEqual(told({ oomKill, pm2Signal: 'SIGKILL' }), {
      ...{ cause: 'kernel-out-of-memory', certainty: 'probable', who: 'outside', code: null, signal: 'SIGKILL' },
    });
    assert.equal(told({ oomKill, pm2Signal: 'SIGTERM' }).cause, 'signal');
    assert.equal(told({ oomKill, pm2Signal: 'SIGKILL' }, ASKED).cause, 'stop');
  });

  it("is V8's heap only where V8 said so, and a fault ended the process", () => {
    const heapFull = 'FATAL ERROR: … JavaScript heap out of memory';
    assert.equal(told({ heapFull, pm2Signal: 'SIGABRT' }).cause, 'heap-out-of-memory');
    assert.equal(told({ heapFull, pm2Signal: 'SIGTERM' }).cause, 'signal');
    assert.equal(told({ pm2Signal: 'SIGABRT' }).certainty, 'probable');
  });

  it('is what PM2 was asked for', () => {
    const memory = { currentBytes: 2, limitBytes: 1 };
    const cron = { schedule: '* * * * *', isDue: true };
    const cases: [Partial<ExitFacts>, string, string][] = [
      [{ isReset: true }, 'restart', 'somebody'],
      [{ isReset: true, isReloadAsRestart: true }, 'reload', 'somebody'],
      [{ pmId: '_old_3' }, 'reload', 'somebody'],
      [{}, 'stop', 'somebody'],
      [{ isGone: true }, 'delete', 'somebody'],
      [{ isGone: true, commands: ['stop'] }, 'stop', 'somebody'],
      [{ pmId: '_old_3', memory }, 'memory-limit', 'pm2'],
      [{ isReset: true, memory }, 'memory-limit', 'pm2'],
      [{ memory }, 'stop', 'somebody'],
      [{ isReset: true, changedPath: 'a.ts' }, 'watch', 'pm2'],
      [{ isReset: true, changedPath: 'a.ts', commands: ['restart'] }, 'restart', 'somebody'],
      [{ isReset: true, cron }, 'cron', 'pm2'],
      [{ isReset: true, cron: { ...cron, isDue: false } }, 'restart', 'somebody'],
      [{ isReset: true, cron, commands: ['restart'] }, 'restart', 'somebody'],
      [{ isReset: true, own: { what: 'reload', call: 'restart' } }, 'reload', 'pm2-ops'],
      [{ own: { what: 'heapdump scale=true', call: 'remove' } }, 'delete', 'pm2-ops'],
    ];
    for (const [facts, cause, who] of cases) {
      const found = told(facts, ASKED);
      assert.deepEqual({ cause: found.cause, who: found.who }, { cause, who }, JSON.stringify(facts));
    }
  });

  it('says for what PM2 had asked a process that it killed', () => {
    const { cause, asked, signal } = told({ isReset: true, killedAfterMs: 1_600 }, ASKED);
    assert.deepEqual({ cause, asked, signal }, { cause: 'kill-timeout', asked: 'restart', signal: 'SIGKILL' });
  });

  it("is the daemon's end, whatever else was seen", () => {
    assert.equal(told({ daemonEnded: { how: 'PM2 was killed', isSure: true } }, ASKED).cause, 'daemon-ended');
  });
});
