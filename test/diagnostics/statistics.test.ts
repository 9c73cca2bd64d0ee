import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { median, trendOf } from '../../diagnostics/statistics.ts';

const points = (ys: number[]) => ys.map((y, x) => ({ x, y }));

describe('the trend of a series', () => {
  it('knows how often one without any rises as consistently', () => {
    // Of the orders of n values one only rises in all pairs; of three values, three rise in two pairs or more.
    for (const [ys, chance] of [
      [[1, 2, 3, 4], 1 / 24],
      [[1, 2, 3, 4, 5], 1 / 120],
      [[1, 3, 2], 3 / 6],
      [[4, 3, 2, 1], 1],
    ] as const) {
      assert.ok(Math.abs(trendOf(points([...ys])).chance - chance) < 1e-9, `${ys}`);
    }
  });

  it('is not bent by one wild value, and its interval holds the slope', () => {
    const { slope, low, high, noise } = trendOf(points([0, 2, 4, 1000, 8, 10, 12, 14]));
    assert.equal(slope, 2);
    assert.ok(low <= 2 && high >= 2);
    assert.equal(noise, 0);
  });

  it('has the middle of an even number of values between its two', () => {
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([]), 0);
  });
});
