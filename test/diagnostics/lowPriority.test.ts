import assert from 'node:assert/strict';
import { getPriority } from 'node:os';
import { it } from 'node:test';
import { whileYielding } from '../../diagnostics/lowPriority.ts';

const before = getPriority();
const cannot =
  process.getuid?.() !== 0 ? 'only root may take its priority back' : before >= 5 && 'this process is nice already';

it('work that nobody waits for is done with less priority, which is taken back, also when it fails', {
  skip: cannot,
}, () => {
  assert.ok(whileYielding(() => getPriority()) > before);
  assert.equal(getPriority(), before);
  assert.throws(
    () =>
      whileYielding(() => {
        throw new Error('disk full');
      }),
    /disk full/,
  );
  assert.equal(getPriority(), before);
});
