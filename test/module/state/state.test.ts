import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openState } from '../../../module/state/state.ts';
import { releaseFolder, tempFolder } from '../../../testkit/folders.ts';

describe("the module's folder", () => {
  const home = tempFolder();
  const folder = join(home, 'pm2-ops');
  const lease = join(folder, 'lease');
  const own = process.geteuid!();
  after(() => releaseFolder(home));

  it('can be entered by its user only, also when it was there before', () => {
    const home = tempFolder();
    mkdirSync(join(home, 'pm2-ops'), { mode: 0o755 });
    const { folder, leaseFor } = openState(home);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(leaseFor(process.geteuid?.() ?? 0)).mode & 0o777, 0o600);
  });

  it('is not what a link leads to', () => {
    const home = tempFolder();
    mkdirSync(join(home, 'elsewhere'), { mode: 0o755 });
    symlinkSync(join(home, 'elsewhere'), join(home, 'pm2-ops'));
    assert.throws(() => openState(home), /ENOTDIR|ELOOP|pm2-ops/);
    assert.equal(statSync(join(home, 'elsewhere')).mode & 0o777, 0o755);
  });

  it('has a lease that is renewed whatever somebody has put in its place', () => {
    const state = openState(home);
    const hardLink = () => {
      writeFileSync(join(home, 'target'), '');
      linkSync(join(home, 'target'), lease);
    };
    for (const play of [() => execFileSync('mkfifo', [lease]), () => mkdirSync(lease), hardLink, () => {}]) {
      rmSync(lease, { recursive: true, force: true });
      play();
      state.renewLease();
      const stats = lstatSync(lease);
      assert.ok(stats.isFile() && stats.nlink === 1 && Date.now() - stats.mtimeMs < 5_000);
    }
  });

  it('says of a process that it dumps its heap only while it has a dump of its own open', () => {
    const state = openState(home);
    mkdirSync(join(folder, 'dumps'));
    const partialOf = (pid: number) => join(folder, 'dumps', `web-0-${pid}-20260101T000000000Z.heapsnapshot.partial`);
    assert.equal(state.isDumping(process.pid), false);
    writeFileSync(partialOf(process.pid), '');
    assert.equal(state.isDumping(process.pid), false, 'a name is no proof');
    writeFileSync(partialOf(process.ppid), '');
    const others = openSync(partialOf(process.ppid), 'r');
    assert.equal(state.isDumping(process.ppid), false, "whoever has another's open");
    assert.equal(state.isDumping(process.pid), false, "whoever has another's open");
    closeSync(others);
    const mine = openSync(partialOf(process.pid), 'w');
    assert.equal(state.isDumping(process.pid), true);
    closeSync(mine);
    assert.equal(state.isDumping(process.pid), false);
  });

  it('loses what a process that is gone has left half written', () => {
    const state = openState(home);
    const left = join(folder, 'dumps', 'web-0-4194303-20260101T000000000Z.heapsnapshot.partial');
    writeFileSync(left, '');
    state.sweep();
    assert.equal(existsSync(left), false);
  });

  it('loses the flight record of a process that has been gone for an hour, and no sooner', () => {
    const state = openState(home);
    const names = [
      'figures/4194303-1.ring',
      'last-words/4194303-1.json',
      'heap-reports/report.20260101.000000.4194303.0.001.json',
      `figures/${process.pid}-1.ring`,
    ];
    const records = names.map((name) => join(folder, name));
    for (const record of records) {
      mkdirSync(dirname(record), { recursive: true });
      writeFileSync(record, '');
    }
    state.sweep();
    assert.deepEqual(records.map(existsSync), [true, true, true, true]);
    const before = new Date(Date.now() - 61 * 60_000);
    for (const record of records) utimesSync(record, before, before);
    state.sweep();
    assert.deepEqual(records.map(existsSync), [false, false, false, true]);
  });

  it('has nothing for other users unless its daemon is root', {
    skip: own !== 0 && 'takes root to become another user',
  }, () => {
    const script = `
      const url = ${JSON.stringify(new URL('../../../module/state/state.ts', import.meta.url).href)};
      // The project's .ts files are CommonJS outside of a bundle.
      const { openState } = (await import(url)).default;
      process.setuid(65534);
      const state = openState(process.argv[1]);
      try { state.folderFor(1234); } catch ({ message }) { console.log(message); }`;
    const flags = ['--import', 'tsx', '--input-type=module', '-e', script];
    const theirs = tempFolder();
    execFileSync('chown', ['65534', theirs]);
    const said = execFileSync(process.execPath, [...flags, theirs], { encoding: 'utf8' });
    assert.match(said, /it runs as user 1234, and only a daemon of root's can have a folder for another user/);
    releaseFolder(theirs);
  });
});
