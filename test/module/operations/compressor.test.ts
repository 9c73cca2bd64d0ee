import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Grant } from '../../../contract/agentMessages.ts';
import { createCompressor } from '../../../module/operations/compressor.ts';
import { releaseFolder, tempFolder } from '../../../testkit/folders.ts';
import { waitFor } from '../../../testkit/wait-for.ts';

const partial = (app: string, pid = process.pid) => `${app}-0-${pid}-20260101T000000000Z.heapsnapshot.partial`;
const [A, B, LINK, FIFO] = ['a', 'b', 'link', 'fifo'].map((app) => partial(app)) as [string, string, string, string];
const CONTENT = 'a dump\n'.repeat(1_000);

describe('a dump that the module compresses for a process', () => {
  const folder = tempFolder();
  const outside = tempFolder();
  after(() => {
    releaseFolder(folder);
    releaseFolder(outside);
  });
  mkdirSync(join(folder, 'dumps'));
  const inside = (name: string) => join(folder, 'dumps', name);

  /** @returns the module's last word on it */
  async function compress(from: string, to: string): Promise<Grant> {
    const verdicts: Grant[] = [];
    const compressor = createCompressor(
      folder,
      () => true,
      (_pmId, _id, verdict) => void verdicts.push(verdict),
    );
    compressor.begin({ kind: 'compress', id: '1', pid: process.pid, from, to });
    compressor.end(0, { kind: 'compress-end', id: '1', pid: process.pid, bytes: CONTENT.length });
    return waitFor(() => verdicts.find(({ is }) => is !== 'wait'), { what: 'a verdict' });
  }

  it('is compressed from its part into the other', async () => {
    writeFileSync(inside(A), CONTENT);
    writeFileSync(inside(B), '');
    assert.deepEqual(await compress(inside(A), inside(B)), { is: 'go' });
    assert.equal(gunzipSync(readFileSync(inside(B))).toString(), CONTENT);
  });

  it("is not what somebody names outside of the module's own folder, or by another name", async () => {
    for (const name of ['whole', partial('of another', process.ppid)]) writeFileSync(inside(name), CONTENT);
    mkdirSync(join(outside, 'dumps'));
    for (const name of [A, B, `dumps/${A}`]) writeFileSync(join(outside, name), CONTENT);
    writeFileSync(join(folder, A), CONTENT);
    for (const [from, to] of [
      [join(outside, A), inside(B)],
      [join(outside, 'dumps', A), inside(B)],
      [join(folder, A), inside(B)],
      [inside(`../../${A}`), inside(B)],
      [inside(A), join(outside, B)],
      [inside('whole'), inside(B)],
      [inside(partial('of another', process.ppid)), inside(B)],
      [inside(A), inside('whole')],
    ] as const) {
      const verdict = await compress(from, to);
      assert.deepEqual([verdict.is, 'message' in verdict && verdict.message], ['refuse', 'it is not being compressed']);
    }
    assert.equal(readFileSync(join(outside, B), 'utf8'), CONTENT);
  });

  it('is refused at once where a link or a FIFO has the name of one of the two', async () => {
    symlinkSync(join(outside, B), inside(LINK));
    execFileSync('mkfifo', [inside(FIFO)]);
    for (const trick of [LINK, FIFO].map(inside)) {
      assert.equal((await compress(trick, inside(B))).is, 'refuse');
      assert.equal((await compress(inside(A), trick)).is, 'refuse');
    }
    assert.equal(readFileSync(join(outside, B), 'utf8'), CONTENT);
  });
});
