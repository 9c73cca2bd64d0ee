import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { maintenance } from '../../maintenance/index.ts';
import { readQuery } from '../../maintenance/query.ts';
import { ceilingOf, createStore } from '../../maintenance/store.ts';
import { tempFolder } from '../../testkit/folders.ts';

const TOKEN = 'a-token-for-the-tests-0123456789';

describe('maintenance', () => {
  it('does not begin without a token that is hard to guess, and does not repeat the one it was given', () => {
    const folder = tempFolder();
    for (const token of [undefined, '', 'hush', 'x'.repeat(15)])
      assert.throws(
        () => maintenance({ token, folder }),
        ({ name, message }: Error) =>
          name === 'TypeError' && /at least 16 characters/.test(message) && !/hush/.test(message),
      );
    assert.equal(typeof maintenance({ token: 'x'.repeat(16), folder }), 'function');
  });

  it('does not begin with a folder that cannot be used; it makes one that is missing, for this user only', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'file'), '');
    assert.throws(
      () => maintenance({ token: TOKEN, folder: join(folder, 'file') }),
      /folder cannot be used: .*ENOTDIR/,
    );
    assert.throws(() => maintenance({ token: TOKEN, folder: '' }), /folder must be the path of a folder, got ""/);
    assert.throws(() => maintenance({ token: TOKEN, folder, keep: 0 }), /keep must be a whole number from 1 on, got 0/);
    maintenance({ token: TOKEN, folder: join(folder, 'made', 'ops') });
    for (const made of ['made/ops', 'made/ops/dumps']) assert.equal(statSync(join(folder, made)).mode & 0o777, 0o700);
  });

  it('names files after what PM2 calls the process, and believes the limit that PM2 tells it', () => {
    const folder = tempFolder();
    const env = { pm_id: '7', name: 'web', namespace: 'blue', max_memory_restart: '1000' };
    const { app, instance } = createStore({ token: TOKEN, folder }, env);
    assert.match(app, /^blue\.web~/);
    assert.equal(instance, '7');
    assert.equal(ceilingOf(env).ceiling?.bytes, 1000);
    assert.deepEqual(ceilingOf({ max_memory_restart: '1000' }), {});
    assert.deepEqual(createStore({ token: TOKEN, folder }, { name: 'a user' }).app, 'app');
  });
});

describe('the parameters of a route', () => {
  const parameters = { gzip: { default: false }, seconds: { default: 60, min: 5, max: 3_600 } };
  const read = (query: string) => readQuery(new URLSearchParams(query), parameters);

  it('have defaults, and values as their type says', () => {
    assert.deepEqual(read(''), { gzip: false, seconds: 60 });
    assert.deepEqual(read('gzip=true&seconds=5'), { gzip: true, seconds: 5 });
  });

  it('are refused with what was expected and what was got', () => {
    for (const [query, message] of [
      ['zip=true', 'there is no parameter "zip"'],
      ['toString=true', 'there is no parameter "toString"'],
      ['gzip=1', 'gzip must be true or false, got "1"'],
      ['seconds=4', 'seconds must be a whole number from 5 to 3600, got "4"'],
      ['seconds=1e1', 'seconds must be a whole number from 5 to 3600, got "1e1"'],
      ['seconds=10&seconds=20', 'parameter "seconds" is given twice'],
    ])
      assert.throws(() => read(query!), { code: 'E_PARAMS', message });
  });
});
