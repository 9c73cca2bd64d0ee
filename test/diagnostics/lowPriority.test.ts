import assert from 'node:assert/strict';
import { getPriority } from 'node:os';
import { it } from 'node:test';
import { withLowPriority } from '../../diagnostics/lowPriority.ts';

const before = getPriority();
const cannot =
  process.getuid?.() !== 0 ? 'only root may take its priority back' : before >= 5 && 'this process is nice already';

it('work that no client waits for is done with less priority, which is taken back, also when it fails', {
  skip: cannot,
}, () => {
  assert.ok(withLowPriority(() => getPriority()) > before);
  assert.equal(getPriority(), before);
  assert.throws(
    () =>
      withLowPriority(() => {
        throw new Error('disk full');
      }),
    /disk full/,
  );
  assert.equal(getPriority(), before);
});
