import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseWhyParams } from '../../../module/recorder/whyParams.ts';

const NOW = Date.UTC(2026, 10, 26, 12);

describe('the question of why', () => {
  const read = (raw: unknown) => parseWhyParams(raw, (text) => ['web', 'last=1'].includes(text), NOW);

  it('is a target, which is all unless told, how many, and since when', () => {
    for (const [raw, expected] of [
      [undefined, { target: 'all' }],
      [{}, { target: 'all' }],
      ['', { target: 'all' }],
      ['web', { target: 'web' }],
      ['web:0', { target: 'web:0' }],
      [3, { target: '3' }],
      ['an app that is gone', { target: 'an app that is gone' }],
      ['last=1', { target: 'last=1' }],
      ['last=2', { target: 'all', last: 2 }],
      ['web last=2 since=2h', { target: 'web', last: 2, since: NOW - 7_200_000 }],
      ['app=web', { target: 'web' }],
      ['id=3', { target: '3' }],
      [
        { target: 'web', last: 3, since: 17 },
        { target: 'web', last: 3, since: 17 },
      ],
      ['{"target":"web","last":3}', { target: 'web', last: 3 }],
      ['since=1764151200000', { target: 'all', since: 1_764_151_200_000 }],
    ] as const)
      assert.deepEqual(read(raw), expected, JSON.stringify(raw));
  });

  it('is refused where it is wrong, with what is right', () => {
    for (const [raw, message] of [
      ['web lines=3', /no parameter "lines"; there are target, last, since/],
      ['web last=0', /last must be a whole number from 1 to 1000, got "0"/],
      [{ last: 2.5 }, /last must be/],
      [{ last: 5_000 }, /last must be/],
      ['web since=tomorrow', /since must be a time ago .* or a date .* got "tomorrow"/],
      [{ since: -1 }, /since must be/],
      [{ target: { a: 1 } }, /target must be an app's name, an id/],
      [{ target: '' }, /target must be/],
      [{ app: 'web', id: 3 }, /the target is given twice/],
      ['{broken', /not understood/],
      ['{"__proto__":1,"constructor":2}', /no parameter/],
    ] as const)
      assert.match(String(read(raw)), message, JSON.stringify(raw));
  });
});
