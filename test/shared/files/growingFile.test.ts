import assert from 'node:assert/strict';
import { appendFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { readGrowing } from '../../../shared/files/growingFile.ts';
import { releaseFolder, tempFolder } from '../../../testkit/folders.ts';

describe('a file that is still being written', () => {
  const folder = tempFolder();
  after(() => releaseFolder(folder));
  const never = new AbortController().signal;

  it('is read as it grows, to its last byte, a part at a time', async () => {
    const file = join(folder, 'growing');
    writeFileSync(file, '');
    let finish: (bytes: number) => void = () => {};
    const whole = new Promise<number>((resolve) => {
      finish = resolve;
    });
    const written = Array.from({ length: 9 }, (_, i) => Buffer.alloc(100_000 + i, i));
    const parts: Buffer[] = [];
    const reading = (async () => {
      for await (const part of readGrowing(file, whole, never)) parts.push(part);
    })();
    for (const part of written) {
      appendFileSync(file, part);
      await setImmediate();
    }
    finish(written.reduce((sum, { length }) => sum + length, 0));
    await reading;
    assert.ok(parts.every(({ length }) => length <= 256 * 1024));
    assert.ok(Buffer.concat(parts).equals(Buffer.concat(written)));
  });

  it('that is shorter than its writer says, or a link, is an error', async () => {
    const file = join(folder, 'short');
    writeFileSync(file, 'short');
    const link = join(folder, 'link');
    symlinkSync(file, link);
    const read = async (from: string) => {
      for await (const _part of readGrowing(from, Promise.resolve(100), never));
    };
    await assert.rejects(read(file), /ends after 5 of 100 bytes/);
    await assert.rejects(read(link), /ELOOP/);
  });
});
