import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isSomethingElse, openRegular, openRegularSync } from '../../../shared/files/regularFile.ts';
import { tempFolder } from '../../../testkit/folders.ts';
import { within } from '../../../testkit/wait-for.ts';

const { O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC } = constants;

describe('a file that is opened where others may have put something', () => {
  const folder = tempFolder();
  const path = (name: string) => join(folder, name);
  const secret = path('secret');
  writeFileSync(secret, 'not for you');

  it('is a regular one of this user, made if it is not there', async () => {
    closeSync(openRegularSync(path('new'), O_WRONLY | O_CREAT, 0o600));
    const handle = await openRegular(path('new'), O_RDONLY);
    await handle.close();
  });

  it('is never what a link leads to', async () => {
    symlinkSync(secret, path('link'));
    await refused(path('link'), O_WRONLY | O_CREAT | O_TRUNC);
    symlinkSync(path('nowhere'), path('dangling'));
    await refused(path('dangling'), O_WRONLY | O_CREAT);
    assert.equal(readFileSync(secret, 'utf8'), 'not for you');
  });

  it('is never waited for: a FIFO is refused at once', async () => {
    execFileSync('mkfifo', [path('fifo')]);
    // In a process of its own, which a blocking open would hold.
    const code = `require(${JSON.stringify(join(import.meta.dirname, '../../../shared/files/regularFile.ts'))}).openRegularSync(process.argv[1], ${O_RDONLY})`;
    assert.throws(
      () =>
        execFileSync(process.execPath, ['--import', 'tsx', '-e', code, path('fifo')], {
          timeout: 5_000,
          stdio: 'pipe',
        }),
      /is no regular file/,
    );
    await refused(path('fifo'), O_WRONLY);
  });

  it('has no second name, and is no folder', async () => {
    writeFileSync(path('one'), '');
    linkSync(path('one'), path('two'));
    await refused(path('two'), O_RDONLY);
    mkdirSync(path('folder'));
    await refused(path('folder'), O_RDONLY);
  });

  it('belongs to nobody else', { skip: process.getuid?.() !== 0 && 'only root can give a file away' }, async () => {
    writeFileSync(path('theirs'), '');
    chownSync(path('theirs'), 12_345, 12_345);
    await refused(path('theirs'), O_RDONLY);
  });

  async function refused(file: string, flags: number): Promise<void> {
    assert.throws(() => closeSync(openRegularSync(file, flags)), isSomethingElse, file);
    const opened = within(
      5_000,
      `${file} to be refused`,
      openRegular(file, flags).then((handle) => handle.close()),
    );
    await assert.rejects(opened, isSomethingElse);
  }
});
