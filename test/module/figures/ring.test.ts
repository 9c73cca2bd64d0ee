import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openRing } from '../../../agent/flight/ring.ts';
import {
  FIGURES,
  FIGURES_FOLDER,
  type FigureSample,
  figuresName,
  HEAD_BYTES,
  RING_SLOTS,
  SAMPLE_BYTES,
  SLOT_BYTES,
} from '../../../contract/figures.ts';
import { readLastWords } from '../../../module/figures/lastWords.ts';
import { readRing } from '../../../module/figures/ring.ts';
import { tempFolder } from '../../../testkit/folders.ts';

const PID = 4711;
const TICKS = 12345;

describe('the ring file of a process', () => {
  it('holds its newest samples, oldest first, and tells those that are new', () => {
    const { file, put } = ring();
    for (let at = 1; at <= RING_SLOTS + 10; at++) put({ at });
    const samples = readRing(file);
    assert.deepEqual(
      samples.map(({ at }) => at),
      Array.from({ length: RING_SLOTS }, (_, index) => index + 11),
    );
    assert.deepEqual(
      readRing(file, RING_SLOTS + 8).map(({ at }) => at),
      [RING_SLOTS + 9, RING_SLOTS + 10],
    );
  });

  it('loses a sample with a figure that cannot be, or that is half written', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300]) {
      const { file, put } = ring();
      put({ at: 1 });
      put({ at: 2, rssBytes: bad });
      put({ at: 3, utilization: 1 });
      put({ at: 4, utilization: 1.5 });
      assert.deepEqual(
        readRing(file).map(({ at }) => at),
        [1, 3],
        String(bad),
      );
    }
    const { file, put, patch } = ring();
    put({ at: 1 });
    put({ at: 2 });
    patch(HEAD_BYTES + SLOT_BYTES + SAMPLE_BYTES, 1);
    assert.deepEqual(
      readRing(file).map(({ at }) => at),
      [1],
    );
  });

  it('is written no more when the app has closed its descriptor, and opened a file of its own under that number', () => {
    const { put } = ring();
    put({ at: 1 });
    // The newest descriptor is the ring's.
    const free = openSync('/dev/null', 'r');
    closeSync(free);
    closeSync(free - 1);
    const file = join(tempFolder(), 'of-the-app');
    assert.equal(openSync(file, 'w'), free - 1);
    assert.throws(() => put({ at: 2 }));
    assert.equal(readFileSync(file, 'utf8'), '');
    closeSync(free - 1);
  });

  it('says nothing where it is none: of another version, too short, a link, a second name, a FIFO, a folder', () => {
    const folder = tempFolder();
    const { file, put, patch } = ring();
    put({ at: 1 });
    symlinkSync(file, join(folder, 'link'));
    mkdirSync(join(folder, 'folder'));
    spawnSync('mkfifo', [join(folder, 'fifo')]);
    for (const name of ['link', 'folder', 'fifo', 'missing']) assert.deepEqual(readRing(join(folder, name)), [], name);
    linkSync(file, join(folder, 'second'));
    assert.deepEqual(readRing(file), []);
    const other = ring();
    other.put({ at: 1 });
    truncateSync(other.file, 4_000);
    assert.deepEqual(readRing(other.file), []);
    const later = ring();
    later.put({ at: 1 });
    later.patch(8, 2);
    assert.deepEqual(readRing(later.file), []);
    patch(0, 0);
    assert.deepEqual(readRing(file), []);
  });
});

describe('a file of last words', () => {
  it('is believed only of the process that it names, and field by field', () => {
    const folder = tempFolder();
    const file = join(folder, 'last-words', `${PID}-${TICKS}.json`);
    mkdirSync(join(folder, 'last-words'));
    const read = () => readLastWords(folder, PID, TICKS);
    assert.equal(read(), undefined);
    for (const text of ['', '{', 'null', '[]', '"text"', JSON.stringify({ pid: PID + 1, startTicks: TICKS })]) {
      writeFileSync(file, text);
      assert.equal(read(), undefined, text);
    }
    const hostile = { exception: { name: {}, message: 7, at: 'x' }, exitCode: '1', ranDry: 'yes', exceptions: null };
    writeFileSync(file, JSON.stringify({ pid: PID, startTicks: TICKS, at: 5, ...hostile, __proto__: 1 }));
    assert.deepEqual(read(), {
      pid: PID,
      startTicks: TICKS,
      at: 5,
      exception: { name: '', message: '', stack: '', at: 0, fatal: false, origin: '' },
      exceptions: 0,
      ranDry: false,
      unhandledRejections: 0,
    });
    writeFileSync(file, JSON.stringify({ pid: PID, startTicks: TICKS, at: 5, more: 'x'.repeat(70_000) }));
    assert.equal(read(), undefined, 'too large');
  });
});

function ring() {
  const folder = tempFolder();
  const made = openRing(folder, PID, TICKS);
  const file = join(folder, FIGURES_FOLDER, figuresName(PID, TICKS));
  const nothing = Object.fromEntries(FIGURES.map((name) => [name, 0])) as FigureSample;
  return {
    file,
    put: (sample: Partial<FigureSample>) => made.put({ ...nothing, ...sample }),
    patch(at: number, value: number) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(value);
      const fd = openSync(file, 'r+');
      writeSync(fd, bytes, 0, 8, at);
      closeSync(fd);
    },
  };
}
