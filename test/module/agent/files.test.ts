import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pruneDumps } from '../../../module/agent/files.ts';
import { releaseFolder, tempFolder } from '../../support/folders.ts';

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
    pruneDumps(state, 5, 2500);
    assert.deepEqual(readdirSync(folder).sort(), [names[0]!, names[3]!, names[4]!, 'notes.txt'].sort());
    pruneDumps(state, 5, 10);
    assert.deepEqual(readdirSync(folder).sort(), [names[0]!, names[4]!, 'notes.txt'].sort());
  });
});
