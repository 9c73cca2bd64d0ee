import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import { createInsistence, EXIT_CODES, EXIT_SIGNALS } from '../../drain/signals.ts';
import { waitFor } from '../../testkit/wait-for.ts';

describe('the signals that ask a process to exit', () => {
  it('insist when they come again, but not when terminal and PM2 deliver one twice', async () => {
    const insists = createInsistence();
    const firstMs = performance.now();
    assert.deepEqual([insists(), insists()], [false, false]);
    await waitFor(() => performance.now() - firstMs > 200, { what: 'another moment', everyMs: 10 });
    assert.equal(insists(), true);
  });

  it('end a process with the exit code that shells use for them', () => {
    for (const signal of EXIT_SIGNALS) assert.equal(EXIT_CODES[signal], 128 + constants.signals[signal]);
  });
});
