// Where pm2-ops keeps its files: private to the daemon's user, and a folder of their own for apps of other users.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';

export interface State {
  /** `$PM2_HOME/pm2-ops`. */
  folder: string;
  /** The folder for processes of a user: the above, or one of theirs that only they (and root) can enter. */
  folderFor(uid: number): string;
  /** Renews the lease that agents watch, in every folder handed out so far. */
  renewLease(): void;
  /** Removes what processes that no longer live left half written. */
  sweep(): void;
  /** Is that process in the middle of a heap dump, in a folder handed out so far? Then it answers nothing, for good reason. */
  isDumping(pid: number): boolean;
}

/** The file in each folder whose mtime is the lease. */
export const LEASE_FILE = 'lease';

/** Where the command finds the PM2 that the daemon runs: `{ pid, version, pm2File }`. */
export const MODULE_FILE = 'module.json';

/** Makes `$PM2_HOME/pm2-ops` (0700). @throws when it cannot be made */
export function openState(pm2Home: string): State {
  const folder = join(pm2Home, 'pm2-ops');
  const folders = new Set<string>();
  const own = process.getuid?.() ?? 0;

  makePrivate(folder, own);
  touch(folder);
  return {
    folder,
    folderFor(uid) {
      if (uid === own) return folder;
      // Theirs cannot be below PM2_HOME, which they cannot enter (a root daemon's is /root/.pm2).
      const place = createHash('sha256').update(folder).digest('hex').slice(0, 8);
      const theirs = join('/var/tmp', `pm2-ops-${uid}-${place}`);
      makePrivate(theirs, uid);
      touch(theirs);
      return theirs;
    },
    renewLease() {
      for (const each of folders) {
        try {
          touch(each);
        } catch {
          // Somebody removed it or filled the disk: its agents take themselves out, which is what the lease is for.
        }
      }
    },
    sweep() {
      for (const each of folders) {
        for (const kind of ['dumps', 'profiles', 'reports']) sweepOf(join(each, kind), PARTIAL);
        sweepOf(join(each, 'repl'), SOCKET);
      }
    },
    isDumping(pid) {
      return [...folders].some((each) => filesOf(join(each, 'dumps'), PARTIAL).some((partial) => partial.pid === pid));
    },
  };

  function touch(each: string): void {
    folders.add(each);
    // Another user owns some of these folders: never through a link that they may have put there.
    const { O_WRONLY, O_CREAT, O_NOFOLLOW } = constants;
    const file = openSync(join(each, LEASE_FILE), O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      const now = new Date();
      futimesSync(file, now, now);
    } finally {
      closeSync(file);
    }
  }
}

/** A folder that belongs to `uid` and nobody else can enter. @throws when somebody else has put something in its place */
function makePrivate(folder: string, uid: number): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stats = lstatSync(folder);
  const own = process.getuid?.() ?? 0;
  if (!stats.isDirectory() || (stats.uid !== uid && stats.uid !== own)) {
    throw new Error(`${folder} is not a folder of user ${uid}; remove it and restart pm2-ops`);
  }
  chmodSync(folder, 0o700);
  if (stats.uid !== uid) chownSync(folder, uid, -1);
}

const PARTIAL = /-(\d+)-\d{8}T\d{9}Z\.[\w.]+\.partial$/;

/** The socket of a process's REPL. */
const SOCKET = /^(\d+)\.sock$/;

/** Removes files whose names hold the pid of a process that is gone. */
function sweepOf(folder: string, pattern: RegExp): void {
  for (const { file, pid } of filesOf(folder, pattern)) {
    if (!statSync(`/proc/${pid}`, { throwIfNoEntry: false })) rmSync(file, { force: true });
  }
}

function filesOf(folder: string, pattern: RegExp): { file: string; pid: number }[] {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(folder).flatMap((name) => {
    const pid = pattern.exec(name)?.[1];
    return pid === undefined ? [] : [{ file: join(folder, name), pid: Number(pid) }];
  });
}
