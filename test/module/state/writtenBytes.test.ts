import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { writtenBytes } from '../../../module/state/writtenBytes.ts';
import { releaseFolder, tempFolder } from '../../../testkit/folders.ts';
import { waitFor } from '../../../testkit/wait-for.ts';

describe('how far a process is with a file', () => {
  const folder = tempFolder();
  chmodSync(folder, 0o777);
  mkdirSync(join(folder, 'dumps'));
  const partialOf = (pid: number) => join(folder, 'dumps', `web-0-${pid}-20260101T000000000Z.heapsnapshot.partial`);
  const children: ChildProcess[] = [];
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    releaseFolder(folder);
  });

  /** A process that has written a thousand bytes and keeps the file open. */
  function writer(file: string, uid: number): number {
    const script = `fs.writeSync(fs.openSync(process.argv[1], 'w'), 'x'.repeat(1000)); setInterval(() => {}, 1000)`;
    const child = spawn(process.execPath, ['-e', script, file], {
      cwd: '/',
      stdio: 'ignore',
      uid,
      gid: uid,
    });
    children.push(child);
    return child.pid!;
  }

  it('is its size where the process is of the same user, but nothing of what a link names', async () => {
    const file = partialOf(process.pid);
    writeFileSync(file, 'x'.repeat(1_000));
    assert.equal(await writtenBytes(process.pid, file, folder), 1_000);
    symlinkSync(file, partialOf(process.ppid));
    for (const [pid, other] of [
      [process.ppid, partialOf(process.ppid)],
      [process.ppid, file],
      [process.pid, join(folder, 'none')],
      [process.pid, '/etc/passwd'],
    ] as const)
      assert.equal(await writtenBytes(pid, other, folder), undefined);
  });

  it("is seen by what it has open where it is another user's, and never by other files", {
    skip: process.getuid?.() !== 0 && 'takes root',
  }, async () => {
    const file = join(folder, 'theirs');
    const pid = writer(file, 65_534);
    await waitFor(async () => (await writtenBytes(pid, file, folder)) === 1000, { what: 'a thousand bytes' });
    writeFileSync(join(folder, 'of root'), 'secret');
    assert.equal(await writtenBytes(pid, join(folder, 'of root'), folder), undefined);
  });
});
