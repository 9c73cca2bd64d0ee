import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Refusal } from '../../contract/errors.ts';
import { parseParams } from '../../contract/params.ts';

describe('parameters of an action', () => {
  it('are the defaults where none are given, in any of the ways PM2 says nothing', () => {
    for (const nothing of [undefined, null, '', '  ', {}]) {
      assert.deepEqual(parseParams('drain', nothing), { timeout: 10_000, force: false });
    }
  });

  it('may be JSON', () => {
    assert.deepEqual(parseParams('drain', '{"timeout":250,"force":true}'), { timeout: 250, force: true });
  });

  it('may be key=value pairs, separated by blanks or commas', () => {
    assert.deepEqual(parseParams('drain', 'timeout=250 force=true'), { timeout: 250, force: true });
    const { gzip, all, force } = parseParams('heapdump', 'gzip=true,all=false');
    assert.deepEqual({ gzip, all, force }, { gzip: true, all: false, force: false });
  });

  it('may be an object, as the command line and HTTP send them', () => {
    assert.deepEqual(parseParams('drain', { timeout: 0 }), { timeout: 0, force: false });
  });

  const wrong: [Parameters<typeof parseParams>[0], unknown, RegExp][] = [
    ['drain', 'timeuot=250', /no parameter "timeuot"/],
    ['drain', 'now', /JSON or key=value.*"now"/],
    ['drain', '{"timeout":', /not valid JSON/],
    ['drain', '[1]', /JSON or key=value/],
    ['drain', [1], /JSON or key=value/],
    ['drain', 7, /JSON or key=value/],
    ['drain', 'timeout=-1', /whole number of milliseconds from 0 to 3600000, got "-1"/],
    ['drain', 'timeout=1e3', /whole number/],
    ['drain', { timeout: 1.5 }, /whole number/],
    ['drain', { timeout: '250 ' }, /whole number/],
    ['drain', 'timeout=99999999', /from 0 to 3600000/],
    ['leak-report', 'seconds=1', /whole number of seconds from 5 to 3600, got "1"/],
    ['drain', 'force=yes', /force must be true or false, got "yes"/],
    ['drain', 'force=true force=false', /given twice/],
    ['drain', '{"__proto__":1}', /no parameter "__proto__"/],
    ['drain', { toString: true }, /no parameter "toString"/],
    ['resume', 'force=true', /resume has no parameter "force"/],
    ['heapdump', 'gzip', /JSON or key=value/],
  ];
  for (const [action, raw, message] of wrong) {
    it(`${action} ${JSON.stringify(raw)} is E_PARAMS and says what was expected`, () => {
      assert.throws(
        () => parseParams(action, raw),
        (error: unknown) => {
          assert.ok(error instanceof Refusal);
          assert.equal(error.code, 'E_PARAMS');
          assert.match(error.message, message);
          assert.match(error.hint, /nothing was changed/);
          return true;
        },
      );
    });
  }
});
