import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asInUrl, requestPath } from '../../drain/requestPath.ts';

describe('a request in a line about it', () => {
  it('has no query, and nothing that a terminal obeys', () => {
    assert.equal(requestPath('/reset?token=abc#x'), '/reset');
    assert.equal(requestPath('/a\u009b31m\u001b[2J\n\u202e/ü%20b?x'), '/a%9B31m%1B[2J%0A%202E/%FC%20b');
    assert.equal(asInUrl('GET\u009b'), 'GET%9B');
  });

  it('is as it came where it is one', () => {
    for (const path of ['/', '*', '/a/b.c;d=e/~f', '/%E8%AE%A2']) assert.equal(requestPath(path), path);
  });
});
