import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileNameOf } from '../../diagnostics/fileNameOf.ts';
import { newFile, pruneDumps, type Store } from '../../diagnostics/files.ts';
import { releaseFolder, tempFolder } from '../../testkit/folders.ts';

function storeIn(folder: string, keep: number, maxBytes: number, app = fileNameOf('app')): Store {
  return { folder, app, instance: '0', keep, maxBytes, keepSetting: 'keep' };
}

describe('old dumps', () => {
  const state = tempFolder();
  const folder = join(state, 'dumps');
  mkdirSync(folder);
  after(() => releaseFolder(state));

  it('go oldest first when all together are too large, but never the newest and never one that is being written', () => {
    const dump = (app: string, day: number, ending = 'heapsnapshot') =>
      `${app}-0-77-202601${String(day).padStart(2, '0')}T000000000Z.${ending}`;
    const names = [
      dump('web', 1, 'heapsnapshot.gz.partial'),
      dump('web', 2),
      dump('api-v1.2', 3, 'heapsnapshot.gz'),
      dump('web', 4),
      dump('web', 5),
      'notes.txt',
    ];
    for (const name of names) writeFileSync(join(folder, name), Buffer.alloc(1000));
    pruneDumps(storeIn(state, 5, 2500));
    assert.deepEqual(readdirSync(folder).sort(), [names[0]!, names[3]!, names[4]!, 'notes.txt'].sort());
    pruneDumps(storeIn(state, 5, 10));
    assert.deepEqual(readdirSync(folder).sort(), [names[0]!, names[4]!, 'notes.txt'].sort());
  });

  it('are pruned of the very same app only, and those of 0.1 with it', () => {
    const state = tempFolder();
    const folder = join(state, 'dumps');
    mkdirSync(folder);
    const of = (name: string, namespace: string) => storeIn(state, 1, 1000, fileNameOf(name, namespace));
    try {
      for (const [name, namespace] of [
        ['my app', 'default'],
        ['my_app', 'default'],
        ['订单', 'default'],
        ['用户', 'default'],
        ['api', 'a'],
        ['api', 'b'],
        ['api', 'default'],
      ] as const) {
        writeFileSync(newFile(of(name, namespace), 'dumps', 'heapsnapshot'), '');
      }
      const old = 'api-0-77-20200101T000000000Z.heapsnapshot';
      writeFileSync(join(folder, old), '');
      assert.equal(readdirSync(folder).length, 8);
      for (const name of ['my app', '订单']) pruneDumps(of(name, 'default'));
      pruneDumps(of('api', 'a'));
      assert.equal(readdirSync(folder).length, 8);
      pruneDumps(of('api', 'default'));
      assert.deepEqual([readdirSync(folder).length, readdirSync(folder).includes(old)], [7, false]);
    } finally {
      releaseFolder(state);
    }
  });
});
