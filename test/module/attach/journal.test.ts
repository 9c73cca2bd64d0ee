import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Journal, readJournal } from '../../../module/attach/journal.ts';
import { readStat } from '../../../shared/linux/proc.ts';
import { tempFolder } from '../../../testkit/folders.ts';

describe('the journal of what is owed to processes', () => {
  const debt = { pid: process.pid, startTime: readStat(process.pid)!.startTime, inodes: [], loopFd: null };

  it('is read by the next module, until it is settled, and by nobody else on the host', () => {
    const folder = tempFolder();
    const journal = new Journal(folder);
    journal.owe(debt);
    assert.deepEqual(new Journal(folder).owed, [debt]);
    assert.equal(statSync(journal.path).mode & 0o777, 0o600);
    journal.settle(debt);
    assert.deepEqual(new Journal(folder).owed, []);
  });

  it('of before the last boot is void: its pids are others by now', () => {
    const journal = new Journal(tempFolder());
    journal.owe(debt);
    journal.rememberSignal(debt);
    const content = JSON.parse(readFileSync(journal.path, 'utf8'));
    writeFileSync(journal.path, JSON.stringify({ ...content, boot: 'another' }));
    assert.deepEqual(readJournal(journal.path).owed, []);
    assert.deepEqual(readJournal(journal.path).signalledOnce, []);
  });

  it('that is half written owes nothing, and is no error', () => {
    const journal = new Journal(tempFolder());
    journal.owe(debt);
    writeFileSync(journal.path, readFileSync(journal.path, 'utf8').slice(0, -5));
    assert.deepEqual(readJournal(journal.path).owed, []);
  });
});
