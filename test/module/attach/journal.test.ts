import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Journal, readPending } from '../../../module/attach/journal.ts';
import { readStat } from '../../../shared/linux/proc.ts';
import { tempFolder } from '../../../testkit/folders.ts';

describe('the journal of pending closes', () => {
  const pending = { pid: process.pid, startTime: readStat(process.pid)!.startTime, inodes: [], loopFd: null };

  it('is read by the next module, until they are closed, and by nobody else on the host', () => {
    const folder = tempFolder();
    const journal = new Journal(folder);
    journal.add(pending);
    assert.deepEqual(new Journal(folder).pending, [pending]);
    assert.equal(statSync(journal.path).mode & 0o777, 0o600);
    journal.remove(pending);
    assert.deepEqual(new Journal(folder).pending, []);
  });

  it('of before the last boot is void: its pids are others by now', () => {
    const folder = tempFolder();
    const journal = new Journal(folder);
    journal.add(pending);
    journal.rememberSignal(pending);
    const content = JSON.parse(readFileSync(journal.path, 'utf8'));
    writeFileSync(journal.path, JSON.stringify({ ...content, boot: 'another' }));
    assert.deepEqual(readPending(journal.path), []);
    assert.equal(new Journal(folder).wasSignalledOnce(pending), false);
  });

  it('that is half written has none, and is no error', () => {
    const journal = new Journal(tempFolder());
    journal.add(pending);
    writeFileSync(journal.path, readFileSync(journal.path, 'utf8').slice(0, -5));
    assert.deepEqual(readPending(journal.path), []);
  });

  it('keeps its form on disk: what a module of another version left behind is closed', () => {
    const folder = tempFolder();
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const { pid, startTime } = pending;
    const content = { boot, owed: [{ ...pending, inodes: ['7'], loopFd: 5 }], signalledOnce: [{ pid, startTime }] };
    writeFileSync(join(folder, 'attach-journal.json'), JSON.stringify(content));
    const journal = new Journal(folder);
    assert.deepEqual(journal.pending, content.owed);
    assert.ok(journal.wasSignalledOnce(pending));
    journal.remove(pending);
    assert.deepEqual(JSON.parse(readFileSync(journal.path, 'utf8')), { ...content, owed: [] });
  });
});
