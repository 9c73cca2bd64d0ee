import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Reply } from '../../contract/reply.ts';
import { startAgentProcess } from '../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../testkit/folders.ts';

describe('a snapshot that was cut off', () => {
  it('is no dump: that is said, and nothing of it stays, compressed or not', async () => {
    const stateDir = tempFolder();
    const { run, kill } = await startAgentProcess(app('cut-snapshot.cjs'), { stateDir });
    try {
      for (const gzip of [false, true]) {
        const reply = await run<Reply>('heapdump', { force: true, gzip });
        assert.ok(!reply.ok, JSON.stringify(reply));
        assert.equal(reply.code, 'E_DISK');
        assert.match(reply.message, /cut off after \d+ bytes; it was removed/);
        assert.deepEqual(readdirSync(join(stateDir, 'dumps')), []);
      }
    } finally {
      kill();
    }
  });
});
