// Where pm2-ops keeps its files: a private folder of the daemon's user, and one for each other user that runs apps.
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { isSomethingElse, openRegularSync } from '../../shared/files/regularFile.ts';
import { LEFTOVERS, openOthersFolders, PARTIAL } from './othersFolders.ts';

export interface State {
  /** `$PM2_HOME/pm2-ops`. */
  folder: string;
  /** The folder for a user's processes: `folder`, or one of that user. @throws why there is none */
  folderFor(uid: number): string;
  /** The lease of that user's agents: its mtime tells them that the module runs. */
  leaseFor(uid: number): string;
  /** Renews every lease. */
  renewLease(): void;
  /** Removes unfinished files and sockets of dead processes, and what the flight recorder of those that died an hour ago wrote. */
  sweep(): void;
  /** Does that process write a heap dump? V8 blocks it for that time, so it answers nothing. */
  isDumping(pid: number): boolean;
}

const LEASE_FILE = 'lease';

/** The parent of other users' folders; on a disk, because a heap dump is large. */
const OTHERS_BASE = '/var/lib/pm2-ops';

/** Makes `$PM2_HOME/pm2-ops` (0700). @throws when it cannot be made */
export function openState(pm2Home: string, othersBase = OTHERS_BASE): State {
  const folder = join(pm2Home, 'pm2-ops');
  const own = process.geteuid?.() ?? 0;
  // Other users cannot enter a root daemon's PM2_HOME (/root/.pm2), so their folders are elsewhere. Root may run several daemons.
  const others = openOthersFolders(join(othersBase, createHash('sha256').update(folder).digest('hex').slice(0, 12)));
  const leases = new Set([join(folder, LEASE_FILE)]);
  const leaseFor = (uid: number) => join(uid === own ? folder : others.folder, LEASE_FILE);

  makePrivate(folder);
  touch(leaseFor(own));
  return {
    folder,
    leaseFor,
    folderFor(uid) {
      if (uid === own) return folder;
      if (own !== 0)
        throw new Error(`it runs as user ${uid}, and only a daemon of root's can have a folder for another user`);
      let theirs: string;
      try {
        theirs = others.of(uid);
      } catch (error) {
        throw new Error(`there is no folder for files of user ${uid}: ${(error as Error).message}`);
      }
      const lease = leaseFor(uid);
      leases.add(lease);
      touch(lease);
      return theirs;
    },
    renewLease() {
      for (const each of leases) {
        try {
          touch(each);
        } catch {
          // The folder is gone or the disk is full. The agents find an old lease and dispose of themselves.
        }
      }
    },
    sweep() {
      for (const [kind, pattern, keptMs] of LEFTOVERS) {
        for (const { name, pid } of filesOf(join(folder, kind), pattern)) {
          if (statSync(`/proc/${pid}`, { throwIfNoEntry: false })) continue;
          const file = join(folder, kind, name);
          const leftAt = keptMs === 0 ? 0 : (lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
          if (Date.now() - leftAt > keptMs) rmSync(file, { force: true });
        }
      }
      if (own === 0) others.sweep();
    },
    isDumping(pid) {
      const isOwn = uidOf(pid) === own;
      // Listing our folder is cheap; a process may have thousands of files open.
      if (isOwn && !filesOf(join(folder, 'dumps'), PARTIAL).some((partial) => partial.pid === pid)) return false;
      return writesPartial(pid, isOwn ? folder : join(others.folder, String(uidOf(pid))));
    },
  };
}

/** Sets a file's mtime to now. @throws when the disk refuses */
function touch(file: string): void {
  const now = new Date();
  const fd = openLease(file);
  try {
    futimesSync(fd, now, now);
  } finally {
    closeSync(fd);
  }
}

function openLease(file: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT;
  try {
    return openRegularSync(file, flags, 0o600);
  } catch (error) {
    if (!isSomethingElse(error)) throw error;
    // A link or a folder under that name would leave the lease old, and every agent would dispose of itself.
    rmSync(file, { recursive: true, force: true });
    return openRegularSync(file, flags | constants.O_EXCL, 0o600);
  }
}

/** Makes a folder that only this user can enter. @throws when something else has that name, such as a link to a folder */
export function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // By its descriptor, so that nobody can exchange the folder between the check and the change.
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const own = process.geteuid?.() ?? 0;
    const { uid } = fstatSync(fd);
    if (uid !== own) throw new Error(`${folder} belongs to user ${uid}, not ${own}; remove it and restart pm2-ops`);
    fchmodSync(fd, 0o700);
  } finally {
    closeSync(fd);
  }
}

function filesOf(folder: string, pattern: RegExp): { name: string; pid: number }[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // The folder appears with the first file in it.
  }
  return names.flatMap((name) => {
    const pid = pattern.exec(name)?.[1];
    return pid === undefined ? [] : [{ name, pid: Number(pid) }];
  });
}

/** Has that process a dump of its own open? A file's name is no proof: any process of that user can make such a file. */
function writesPartial(pid: number, folder: string): boolean {
  try {
    const place = join(realpathSync(folder), 'dumps');
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const file = linkTarget(`/proc/${pid}/fd/${fd}`);
      return file?.startsWith(`${place}/`) === true && Number(PARTIAL.exec(basename(file))?.[1]) === pid;
    });
  } catch {
    return false;
  }
}

function linkTarget(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** The effective uid of a process (proc(5)); our own if /proc does not tell. */
export function uidOf(pid: number): number {
  try {
    const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (uid !== undefined) return Number(uid);
  } catch {}
  return process.geteuid?.() ?? 0;
}
