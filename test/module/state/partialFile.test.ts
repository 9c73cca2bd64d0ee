import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPartialOf } from '../../../module/state/partialFile.ts';

describe('a path that a process names', () => {
  const folder = '/root/.pm2/pm2-ops';
  const name = 'web-0-4711-20261124T143741434Z.heapsnapshot';

  it('is opened where it is a dump that this very process writes in the module’s own folder', () => {
    for (const end of ['.partial', '.gz.packed.partial', '.gz.own.partial'])
      assert.equal(isPartialOf(4711, `${folder}/dumps/${name}${end}`, folder), true);
  });

  it('is left alone where it is anything else', () => {
    for (const [pid, file] of [
      [4712, `${folder}/dumps/${name}.partial`],
      [711, `${folder}/dumps/${name}.partial`],
      [4711, `${folder}/dumps/${name}`],
      [4711, `${folder}/${name}.partial`],
      [4711, `${folder}/dumps/../${name}.partial`],
      [4711, `${folder}/dumps//${name}.partial`],
      [4711, `${folder}/dumps/x/${name}.partial`],
      [4711, `/var/tmp/dumps/${name}.partial`],
      [4711, `dumps/${name}.partial`],
      [4711, `${folder}/dumps/${name}.partial\0`],
      [4711, `${folder}/dumps/${name}.partial\n`],
      [4711, ''],
    ] as const) {
      assert.equal(isPartialOf(pid, file, folder), false, file);
    }
  });
});
