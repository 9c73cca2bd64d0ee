// What was seen belongs to the right life of a process, and takes bounded memory.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createObservations, type Observations } from '../../../module/recorder/observations.ts';

const STARTED = 1_000_000;
const ENDED = STARTED + 60_000;

describe('what was seen of a process', () => {
  let seen: Observations;
  beforeEach(() => {
    seen = createObservations(5);
  });
  const life = { pmId: 3, name: 'web', startedAt: STARTED, endedAt: ENDED };
  const next = { ...life, startedAt: ENDED + 2, endedAt: ENDED + 30_000 };
  const ends = (at: number) => seen.sawLine({ is: 'exited', pmId: 3, name: 'web', code: 1, signal: 'SIGINT' }, at);
  const starts = (at: number) => seen.sawLine({ is: 'starting', pmId: 3, name: 'web' }, at);

  it('has the lines that come after its exit, and none of the next one', () => {
    seen.wrote(3, 'stderr', 'before\n', ENDED - 10);
    ends(ENDED);
    starts(ENDED + 2);
    seen.wrote(3, 'stderr', 'late\n', ENDED + 3);
    seen.wrote(3, 'stderr', 'of the next\n', ENDED + 80);
    ends(next.endedAt);
    assert.deepEqual(seen.of(life).stderr, ['before', 'late']);
    assert.deepEqual(seen.of(next).stderr, ['of the next']);
  });

  it('has what it writes under both ids of a reload, and not what its successor writes', () => {
    seen.wrote(3, 'stdout', 'old\n', ENDED - 500);
    starts(ENDED - 400);
    seen.wrote('_old_3', 'stdout', 'draining\n', ENDED - 100);
    seen.wrote(3, 'stdout', 'new\n', ENDED - 50);
    assert.deepEqual(seen.of({ ...life, pmId: '_old_3' }).stdout, ['old', 'draining']);
  });

  it('has a command that came after its end, and none that started it', () => {
    seen.sawCommand(3, 'restart', STARTED + 5);
    seen.sawCommand(3, 'stop', ENDED + 300);
    assert.deepEqual(
      seen.of(life).notes.map((note) => note.is === 'command' && note.event),
      ['stop'],
    );
  });

  it('tells a rejection that PM2 has caught from an exception', () => {
    seen.wrote(
      3,
      'stderr',
      '\nYou have triggered an unhandledRejection, you may have forgotten to catch …\n',
      ENDED - 9,
    );
    seen.threw(3, { message: 'no', stack: 'Error: no' }, ENDED - 9);
    seen.wrote(3, 'stderr', 'Error: yes\n', ENDED - 1);
    seen.threw(3, { message: 'yes', stack: 'Error: yes' }, ENDED - 1);
    assert.deepEqual(
      seen.of(life).thrown.map(({ isRejection }) => isRejection),
      [true, false],
    );
  });

  it('is bounded, whatever a process writes', () => {
    const much = `${'x'.repeat(999)}\n`.repeat(1_000);
    for (let writes = 0; writes < 2_000; writes++) seen.wrote(3, 'stdout', much, ENDED - 1);
    for (let writes = 0; writes < 100_000; writes++) seen.wrote(3, 'stdout', `${writes}\n`, ENDED - 1);
    for (let times = 0; times < 5_000; times++) {
      seen.threw(3, { message: much, stack: much }, ENDED - 1);
      ends(ENDED - 1);
    }
    const { stdout, thrown, notes } = seen.of(life);
    assert.deepEqual(stdout, ['99995', '99996', '99997', '99998', '99999']);
    assert.ok(thrown.length <= 60 && notes.length <= 60);
    assert.ok(JSON.stringify(thrown).length < 1_000_000);
  });

  it('takes nothing that is no text for an exception', () => {
    for (const odd of [null, 7, 'text', { message: {}, stack: [] }]) seen.threw(3, odd, ENDED - 1);
    assert.equal(seen.of(life).thrown.length, 4);
  });
});
