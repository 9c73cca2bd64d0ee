import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FigureSample } from '../../../contract/figures.ts';
import { FIGURES } from '../../../contract/figures.ts';
import { judge, type Standing } from '../../../module/rules/conditions.ts';
import { forgetOld, limitedUntil } from '../../../module/rules/limits.ts';
import { createSeries } from '../../../module/rules/series.ts';

const THRESHOLD = { above: 100, below: 50, forMs: 10_000 };

/** @returns what each of these values, one a second, has changed */
function changes(values: readonly number[], everyMs = 1_000): string[] {
  let standing: Standing = {};
  return values.flatMap((value, index) => {
    const [next, change] = judge(standing, value, 1_000_000 + index * everyMs, THRESHOLD);
    standing = next;
    return change === undefined ? [] : [`${change} at ${index}`];
  });
}

describe('a condition', () => {
  it('begins after its duration above the one value, and is over only below the other', () => {
    const above = Array.from({ length: 11 }, () => 101);
    assert.deepEqual(changes([...above, 80, 60, 51, 49, 80]), ['begins at 10', 'is-over at 14']);
  });

  it('does not begin if the value falls back for a moment, or stands exactly there', () => {
    const almost = Array.from({ length: 10 }, () => 101);
    assert.deepEqual(changes([...almost, 100, ...almost]), []);
  });

  it('counts no time for which nobody knows: a host that slept, an agent that was away', () => {
    assert.deepEqual(changes([101, 101, 101], 3_600_000), []);
  });
});

describe('a limit', () => {
  const limit = { times: 2, inMs: 1_000 };
  it('slides: the next time comes when the oldest that counts leaves the window', () => {
    assert.equal(limitedUntil([], 5_000, limit), undefined);
    assert.equal(limitedUntil([4_500], 5_000, limit), undefined);
    assert.equal(limitedUntil([4_300, 4_500], 5_000, limit), 5_300);
    assert.equal(limitedUntil([3_900, 4_300, 4_500], 5_000, limit), 5_300);
    assert.equal(limitedUntil([3_900, 4_500], 5_000, limit), undefined);
  });

  it('holds no longer than the window where the clock was set back', () => {
    assert.equal(limitedUntil([90_000, 95_000], 5_000, limit), 6_000);
  });

  it('forgets what no window reaches back to', () => {
    assert.deepEqual(forgetOld([1_000, 4_200, 4_300, 4_500], 5_000, limit), [4_300, 4_500]);
  });
});

const EMPTY = Object.fromEntries(FIGURES.map((name) => [name, 0])) as FigureSample;
const MB = 2 ** 20;

describe('the figures of a process', () => {
  it('count errors over the last minute, and begin anew with an agent that counts from zero', () => {
    const series = createSeries();
    const errorsAt = (seconds: number, serverErrors: number, exceptions = 0) =>
      series.take({ ...EMPTY, at: 1_000_000 + seconds * 1_000, serverErrors, exceptions }).errors;
    assert.equal(errorsAt(0, 500), 0);
    assert.equal(errorsAt(5, 510, 2), 12);
    assert.equal(errorsAt(60, 510, 2), 12);
    assert.equal(errorsAt(66, 511, 2), 1);
    assert.equal(errorsAt(70, 0), 0);
  });

  it('tell growth only of memory that rises beyond doubt, garbage aside', () => {
    const grows = createSeries();
    const steady = createSeries();
    let growth: number | undefined;
    let none: number | undefined;
    for (let at = 1_000_000, index = 0; index < 3_600; at += 5_000, index++) {
      const garbage = ((index * 37) % 20) * MB;
      growth = grows.take({ ...EMPTY, at, heapUsedBytes: 50 * MB + garbage + index * 50_000 }).growth;
      none = steady.take({ ...EMPTY, at, heapUsedBytes: 50 * MB + garbage }).growth;
    }
    assert.equal(none, 0);
    // 50 kB in 5 s are 36 MB an hour.
    assert.ok(growth !== undefined && growth > 30 * MB && growth < 36 * MB, String(growth));
  });

  it('tell the share of the heap limit', () => {
    const { heap } = createSeries().take({ ...EMPTY, at: 1, heapUsedBytes: 90 * MB, heapLimitBytes: 100 * MB });
    assert.equal(heap, 0.9);
  });
});
