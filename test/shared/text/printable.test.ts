import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { printable, printableLines, printableValue } from '../../../shared/text/printable.ts';

describe('text that an app chose', () => {
  it('has nothing in it that controls a terminal, turns the direction of writing, or hides', () => {
    const shown: [string, string][] = [
      ['\u001b[2J\u001b]0;owned\u0007', '\\u001b[2J\\u001b]0;owned\\u0007'],
      ['\u009b31m', '\\u009b31m'],
      ['a\rb\nc\td\u007f', 'a\\rb\\nc\\td\\u007f'],
      ['gpj.\u202eexe', 'gpj.\\u202eexe'],
      ['\u2066x\u2069\u200f\u061c', '\\u2066x\\u2069\\u200f\\u061c'],
      ['a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
      ['we\u200bb\ufeff', 'we\\u200bb\\ufeff'],
      ['\ud83d', '\\ud83d'],
      ['\u{e0041}', '\\udb40\\udc41'],
    ];
    for (const [text, expected] of shown) assert.equal(printable(text), expected);
  });

  it('stays as it is where people write so', () => {
    for (const text of ['my app', '订单', 'naïve café e\u0301', '👩‍👩‍👧 👍🏽 🇩🇪', 'نمی\u200cخواهم', '\\n'])
      assert.equal(printable(text), text);
  });

  it('keeps its line breaks only where there may be several lines', () => {
    assert.equal(printableLines('a\n\tb\r\u001b'), 'a\n\tb\\r\\u001b');
  });

  it('is escaped at any depth of a reply, in names of fields as well', () => {
    assert.deepEqual(printableValue({ 'a\nb': [{ c: '\u001b' }, 1, null, true] }), {
      'a\\nb': [{ c: '\\u001b' }, 1, null, true],
    });
  });

  it('as JSON is JSON of the same value', () => {
    const value = { name: 'a\u009b\u202e\u007f"\\\u001b\n\u{e0041}\ud83d订单' };
    const text = printableLines(JSON.stringify(value, null, 2));
    assert.doesNotMatch(text, /[\u007f-\u009f\u202e]/);
    assert.deepEqual(JSON.parse(text), value);
  });
});
