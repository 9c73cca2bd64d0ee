import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nameBeforeId, readTarget } from '../../contract/target.ts';

describe('the target that somebody types', () => {
  const names = ['web', 'my app', 'id=3', '{x', ' web '];
  const read = (raw: unknown) => readTarget(raw, (text) => names.includes(text));

  it('is all where nothing is given', () => {
    for (const nothing of [undefined, null, '', '  ', {}, '{}']) assert.equal(read(nothing), 'all');
  });

  it('is given by app or id, as a pair, as JSON, or bare', () => {
    assert.equal(read('app=my app'), 'my app');
    assert.equal(read(' id=7 '), '7');
    assert.equal(read('{"app":"my app"}'), 'my app');
    assert.equal(read({ id: 7 }), '7');
    assert.equal(read(7), '7');
    assert.equal(read(' web:7 '), 'web:7');
  });

  it("is an app's very name before it is anything else", () => {
    assert.equal(read('id=3'), 'id=3');
    assert.equal(read('{x'), '{x');
    assert.equal(read('app= web '), ' web ');
  });

  it('is not understood where it is none of these', () => {
    for (const wrong of ['name=web', 'app=', '{"app":', '{"app":"a","id":1}', { app: true }, [1, 2]])
      assert.equal(read(wrong), undefined, JSON.stringify(wrong));
  });

  it('may name one instance of an app', () => {
    assert.equal(nameBeforeId('blue:api:2'), 'blue:api');
    for (const none of ['web', 'web:', ':7', 'web:x']) assert.equal(nameBeforeId(none), undefined);
  });
});
