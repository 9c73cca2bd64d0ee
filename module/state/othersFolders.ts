// Folders for apps of other users than root's daemon: below one that only root can change, so that nobody else can put
// anything in their place. Root makes such a folder and never looks into it: whatever is to be done there is done as its user.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  type Stats,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** How long tidying up may take, in milliseconds: what its user has mounted there may never answer. */
const SWEPT_WITHIN_MS = 10_000;
/** Pause between two rounds in the folder of one user, in milliseconds: each starts a process. */
const SWEEP_EVERY_MS = 5_000;
/** Group of whoever tidies up: none of anybody's (nogroup). */
const NO_GROUP = 65_534;

export interface OthersFolders {
  /** Where the lease of all their agents is; nobody but root writes there, anybody may look at a file's time. */
  folder: string;
  /** The folder of a user, made if it is not there. @throws why it cannot be made */
  of(uid: number): string;
  /** Removes what processes that are gone left half written, as the users themselves. */
  sweep(): void;
}

/** @param folder below one of root's; is made with the first user's */
export function openOthersFolders(folder: string): OthersFolders {
  /** By user: whether tidying up goes on or was asked for again meanwhile. */
  const sweeping = new Map<number, 'once' | 'again'>();
  return {
    folder,
    of(uid) {
      for (const each of [dirname(folder), folder]) makeRoots(each);
      const theirs = join(folder, String(uid));
      // Not by looking at it: what its user has mounted there may never answer.
      if (!readdirSync(folder).includes(String(uid))) {
        const made = mkdtempSync(join(folder, 'new-'));
        chownSync(made, uid, NO_GROUP);
        renameSync(made, theirs);
      }
      return theirs;
    },
    sweep() {
      if (!isRoots(lstatSync(folder, { throwIfNoEntry: false }))) return;
      for (const name of readdirSync(folder)) {
        if (/^\d+$/.test(name)) sweepOf(Number(name));
        else if (name.startsWith('new-')) removeUnfinished(join(folder, name));
      }
    },
  };

  function sweepOf(uid: number): void {
    if (sweeping.has(uid)) {
      sweeping.set(uid, 'again');
      return;
    }
    sweeping.set(uid, 'once');
    sweepAs(uid, join(folder, String(uid)));
    setTimeout(() => {
      const again = sweeping.get(uid) === 'again';
      sweeping.delete(uid);
      if (again) sweepOf(uid);
    }, SWEEP_EVERY_MS).unref();
  }
}

/** Of a module that was killed while it made it. Never what is in it, where its user may be at work. */
function removeUnfinished(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Its user has put something there.
  }
}

/** A folder that only root can change. @throws when it cannot be made, or somebody else can */
function makeRoots(folder: string): void {
  try {
    mkdirSync(folder);
    chmodSync(folder, 0o711);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (!isRoots(lstatSync(folder, { throwIfNoEntry: false })))
    throw new Error(`${folder} is not a folder that only root can change; look with: ls -ld ${folder}`);
}

function isRoots(stats: Stats | undefined): boolean {
  return stats?.isDirectory() === true && stats.uid === 0 && (stats.mode & 0o022) === 0;
}

/** `NAME-PM_ID-PID-TIME.ENDING.partial`: a file that is being written. */
export const PARTIAL = /-(\d+)-\d{8}T\d{9}Z\.[\w.]+\.partial$/;
/** The socket of a process's REPL. */
export const SOCKET = /^(\d+)\.sock$/;
/** Where they are, and what. */
export const LEFTOVERS: [folder: string, pattern: RegExp][] = [
  ['dumps', PARTIAL],
  ['profiles', PARTIAL],
  ['reports', PARTIAL],
  ['repl', SOCKET],
];

/** Started as root, because its user may not be able to run our Node; has dropped to that user before it looks at anything. */
const SWEEPER = `
  const [uid, folder] = process.argv.slice(1);
  process.setgroups([]);
  process.setgid(${NO_GROUP});
  process.setuid(Number(uid));
  const { existsSync, readdirSync, unlinkSync } = require('node:fs');
  for (const [kind, pattern] of [${LEFTOVERS.map(([kind, { source }]) => `['${kind}', /${source}/]`)}]) {
    try {
      for (const name of readdirSync(folder + '/' + kind)) {
        const pid = pattern.exec(name)?.[1];
        if (pid !== undefined && !existsSync('/proc/' + pid)) unlinkSync(folder + '/' + kind + '/' + name);
      }
    } catch {}
  }
`;

function sweepAs(uid: number, folder: string): void {
  const child = spawn(process.execPath, ['-e', SWEEPER, '--', String(uid), folder], {
    cwd: '/',
    env: {},
    stdio: 'ignore',
    timeout: SWEPT_WITHIN_MS,
    killSignal: 'SIGKILL',
  });
  child.on('error', () => {});
  child.unref();
}
