import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ago, dateAndTime, duration, readMoment } from '../../../shared/text/duration.ts';

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];

describe('a time in words', () => {
  it('has the two largest units', () => {
    for (const [ms, words] of [
      [0, '0 ms'],
      [-5, '0 ms'],
      [90, '90 ms'],
      [1_234, '1.2 s'],
      [45 * SECOND, '45 s'],
      [59_999, '1 min'],
      [3 * MINUTE + 20 * SECOND, '3 min 20 s'],
      [2 * HOUR + 3 * MINUTE + 59 * SECOND, '2 h 3 min'],
      [5 * DAY + 2 * HOUR, '5 d 2 h'],
      [5 * DAY + 2 * MINUTE, '5 d'],
    ] as const)
      assert.equal(duration(ms), words, String(ms));
    assert.deepEqual([ago(3_000), ago(2 * HOUR + MINUTE), ago(50 * SECOND)], ['just now', '2 h ago', '50 s ago']);
    assert.match(dateAndTime(Date.UTC(2026, 10, 26)), /^2026-11-2[567] \d\d:\d\d:\d\d$/);
    assert.equal(dateAndTime(Number.NaN), '-');
  });

  it('is read as a person types it, ago or as a date', () => {
    const now = Date.UTC(2026, 10, 26, 12);
    assert.equal(readMoment('2h', now), now - 2 * HOUR);
    assert.equal(readMoment('30m', now), now - 30 * MINUTE);
    assert.equal(readMoment('90s', now), now - 90 * SECOND);
    assert.equal(readMoment('7 d', now), now - 7 * DAY);
    assert.equal(readMoment('2026-11-26T10:00Z', now), Date.UTC(2026, 10, 26, 10));
    assert.equal(readMoment('2026-11-26T10:00', now), new Date(2026, 10, 26, 10).getTime());
    assert.equal(readMoment('2026-11-26', now), new Date(2026, 10, 26).getTime());
    for (const bad of ['', '2', 'h', '2w', 'yesterday', '26.11.2026', '2026-13-45', '-2h', '1e9d'])
      assert.equal(readMoment(bad, now), undefined, bad);
  });
});
