import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { table } from '../../cli/table.ts';
import { widthOf } from '../../shared/text/width.ts';

describe('a table', () => {
  it('has its columns below each other whatever script they are in', () => {
    const names = ['web', '订单', 'かな', '주문', 'ｶﾅ', 'cafe\u0301', '🚀', '👩‍👩‍👧', '🇩🇪', '❤️', '①'];
    const widths = [3, 4, 4, 4, 2, 4, 2, 2, 2, 2, 1];
    assert.deepEqual(names.map(widthOf), widths);
    const [, , ...rows] = table(
      ['name', 'pid'],
      names.map((name) => [name, '42']),
    ).split('\n');
    assert.deepEqual(
      rows,
      names.map((name, at) => `${name}${' '.repeat(4 - widths[at]!)}  42`),
    );
  });
});
