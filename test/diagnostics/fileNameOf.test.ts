import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileNameOf } from '../../diagnostics/fileNameOf.ts';

const APPS = [
  ...[
    'web',
    'my app',
    'my_app',
    'my-app',
    'my/app',
    'my\napp',
    '订单',
    '用户',
    'a__b',
    'a b',
    '..',
    '.',
    '-x',
    '_x',
    '/',
    '_',
  ],
  ...['$(x)', '123', 'web~1a2b3c4d', 'x'.repeat(300), 'x'.repeat(301), '名'.repeat(100), '名'.repeat(101), '😀', '😁'],
];

describe("an app's name in the names of files", () => {
  it('stays as it is where it can, as in 0.1, so that old files stay those of the app', () => {
    for (const app of ['web', 'api.v2', 'a__b', 'my-app', '订单', '123']) assert.equal(fileNameOf(app), app);
    assert.equal(fileNameOf('web', 'default'), 'web');
  });

  it('is another one for every app, in every namespace', () => {
    const names = APPS.flatMap((app) => ['default', 'a', 'b'].map((namespace) => fileNameOf(app, namespace)));
    names.push(fileNameOf('a.web'), fileNameOf('web', 'a.a'));
    assert.equal(new Set(names).size, names.length);
  });

  it('is a single readable part of a path', () => {
    for (const app of APPS) {
      const name = fileNameOf(app, 'team/a b');
      assert.match(name, /^[\p{L}\p{M}\p{N}_][\p{L}\p{M}\p{N}_.-]*~[0-9a-f]{8}$/u);
      assert.ok(Buffer.byteLength(name) <= 100, name);
    }
    assert.match(fileNameOf('my app'), /^my_app~/);
    assert.match(fileNameOf('api', 'blue'), /^blue\.api~/);
  });
});
