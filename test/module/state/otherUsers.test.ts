import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { app, releaseFolder, tempFolder } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { moduleStatus, untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';
import { addUser, as, goOnAs, noOtherUsers, removeUser, type User } from '../../support/users.ts';

const DEAD_PID = 4_194_303;
const leftover = (pid: number) => `x-0-${pid}-20260101T000000000Z.heapsnapshot.partial`;

describe("a root daemon's apps of other users", { skip: noOtherUsers() }, () => {
  let pm2: Pm2;
  /** Readable for everybody, as `treasure` in it. */
  let scripts: string;
  let alice: User;
  let mallory: User;
  let treasure: string;
  let taken: string;
  /** Mallory's, below whatever pm2-ops has made for it. */
  let theirs: string;

  before(async () => {
    alice = addUser();
    mallory = addUser();
    scripts = tempFolder();
    chmodSync(scripts, 0o755);
    copyFileSync(app('http.cjs'), join(scripts, 'http.cjs'));
    treasure = join(scripts, 'treasure');
    mkdirSync(treasure, { mode: 0o755 });
    writeFileSync(join(treasure, leftover(DEAD_PID)), 'of root');
    writeFileSync(join(treasure, 'lease'), 'of root');
    pm2 = await startWithModule();
    // Each name that pm2-ops would use in a folder which anybody can write to: taken before it comes.
    const place = createHash('sha256').update(join(pm2.home, 'pm2-ops')).digest('hex').slice(0, 8);
    taken = `/var/tmp/pm2-ops-${alice.uid}-${place}`;
    as(mallory, 'fs.mkdirSync(process.argv[1])', taken);
    for (const [name, { uid, gid }] of Object.entries({ alice, mallory, root: { uid: 0, gid: 0 } }))
      await pm2.startApp({ name, script: join(scripts, 'http.cjs'), uid, gid, env: { PORT: await freePort() } });
  });
  after(async () => {
    await pm2.kill();
    for (const user of [alice, mallory]) removeUser(user);
    rmSync(taken, { recursive: true, force: true });
    releaseFolder(scripts);
  });

  const treasureIsUntouched = (before: object[]) => assert.deepEqual(looksOf(treasure), before);

  it('are attached, whoever was first to take a name that anybody may take', async () => {
    for (const name of ['alice', 'mallory', 'root']) await untilAttached(pm2, name);
  });

  it('have a folder of their own, in which only they read and which nobody but root can put in another place', async () => {
    for (const [name, user] of Object.entries({ alice, mallory })) {
      const { ok, file } = await pm2.triggerOne<{ ok: boolean; file: string }>(name, 'heapdump');
      assert.equal(ok, true);
      const folder = dirname(dirname(file));
      if (user === mallory) theirs = folder;
      assert.deepEqual(ownerAndMode(file), [user.uid, 0o600]);
      assert.deepEqual(ownerAndMode(folder), [user.uid, 0o700]);
      for (let above = dirname(folder); above !== '/'; above = dirname(above)) {
        const { uid, mode } = statSync(above);
        assert.deepEqual([above, uid, mode & 0o022], [above, 0, 0]);
      }
    }
  });

  it("are attached again whatever one of them puts into its folder, and nothing of root's is changed", async () => {
    const looks = looksOf(treasure);
    const [{ pid: alicesPid } = { pid: 0 }] = await pm2.processes('alice');
    const [{ pid: rootsPid } = { pid: 0 }] = await pm2.processes('root');
    const script = `
      const [folder, treasure, ...pids] = process.argv.slice(1);
      const { execFileSync } = require('node:child_process');
      const put = (name, make) => { fs.rmSync(folder + '/' + name, { recursive: true, force: true }); make(folder + '/' + name); };
      const fifo = (name) => put(name, (file) => execFileSync('/usr/bin/mkfifo', [file]));
      fifo('lease'); fifo('audit.log'); fifo('repl');
      put('reports', (file) => fs.symlinkSync(treasure, file));
      put('profiles', (file) => { try { fs.mkdirSync(file); fs.linkSync(treasure + '/lease', file + '/lease'); } catch {} });
      for (const pid of pids) fifo('dumps/x-0-' + pid + '-20260101T000000000Z.heapsnapshot.partial');
      for (const pid of pids) fs.openSync(folder + '/dumps/x-0-' + pid + '-20260101T000000000Z.heapsnapshot.partial', 'r+');
      console.log('ready');
      setInterval(() => {}, 1000);
    `;
    const trick = goOnAs(mallory, process.execPath, [
      ...['-e', script, '--', theirs, treasure],
      ...[alicesPid, rootsPid, DEAD_PID].map(String),
    ]);
    await waitFor(() => trick.said().includes('ready'), { what: 'everything of the kind in its place' });
    await pm2.ok('restart', 'pm2-ops');
    for (const name of ['alice', 'mallory', 'root']) await untilAttached(pm2, name);
    await waitFor(() => !readdirSync(join(theirs, 'dumps')).includes(leftover(DEAD_PID)), {
      what: 'the leftover of a process that is gone to go, too',
    });
    await trick.stop();
    treasureIsUntouched(looks);
  });

  it('cannot exchange that folder while the module works in it', async () => {
    const looks = looksOf(treasure);
    const link = join(tempOf(mallory), 'link');
    const number = { x64: 316, arm64: 276 }[process.arch as 'x64'];
    const exchange = `
      my ($folder, $treasure, $link, $done, $over) = (@ARGV, 0, 0);
      symlink($treasure, $link);
      $SIG{TERM} = sub { $over = 1 };
      until ($over) { $done++ if syscall(${number}, -100, $folder, -100, $link, 2) == 0; }
      syscall(${number}, -100, $folder, -100, $link, 2) if -l $folder;
      print "exchanged $done times";
    `;
    const loop = goOnAs(mallory, 'perl', ['-e', exchange, theirs, treasure, link]);
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'alice');
    await sleep(500);
    const said = await loop.stop();
    releaseFolder(dirname(link));
    assert.equal(said, 'exchanged 0 times');
    await untilAttached(pm2, 'mallory');
    treasureIsUntouched(looks);
  });

  it('leave nothing behind that was half written when its process was killed', async () => {
    const { file } = await pm2.triggerOne<{ file: string }>('alice', 'heapdump');
    const partial = join(dirname(file), leftover(DEAD_PID));
    as(alice, "fs.writeFileSync(process.argv[1], '')", partial);
    // What the flight recorder of such a process has written is read first.
    const [old, young] = ['1', '2'].map((ticks) =>
      join(dirname(dirname(partial)), 'figures', `${DEAD_PID}-${ticks}.ring`),
    );
    for (const record of [old, young]) as(alice, "fs.writeFileSync(process.argv[1], '')", record!);
    as(alice, 'fs.utimesSync(process.argv[1], 0, 0)', old!);
    await pm2.ok('delete', 'root');
    await waitFor(() => !existsSync(partial), { what: 'the half of a dump to go', timeoutMs: 15_000 });
    await waitFor(() => !existsSync(old!), { what: 'the old record to go' });
    assert.ok(existsSync(young!));
    assert.ok(existsSync(file));
  });

  it('that nobody can have a folder for are told of with the true reason', async () => {
    const base = dirname(dirname(theirs));
    chmodSync(base, 0o777);
    try {
      await pm2.ok('restart', 'pm2-ops');
      const reason = await waitFor(
        async () => (await moduleStatus(pm2)).processes.find(({ name }) => name === 'alice')?.reason,
        { what: 'the reason' },
      );
      assert.match(reason, new RegExp(`^there is no folder for files of user ${alice.uid}: ${base} is not a folder`));
    } finally {
      chmodSync(base, 0o711);
    }
    await untilAttached(pm2, 'alice');
  });
});

/** Where that user can write, on the same file system as what root has in /var. */
function tempOf({ uid, gid }: User): string {
  const folder = mkdtempSync('/var/tmp/po-');
  chownSync(folder, uid, gid);
  return folder;
}

function ownerAndMode(file: string): [uid: number, mode: number] {
  const { uid, mode } = lstatSync(file);
  return [uid, mode & 0o7777];
}

/** What would tell that somebody changed it. */
function looksOf(folder: string): object[] {
  return ['', ...readdirSync(folder)].map((name) => {
    const { mode, uid, gid, mtimeMs, size } = lstatSync(join(folder, name));
    return { name, mode, uid, gid, mtimeMs, size };
  });
}
