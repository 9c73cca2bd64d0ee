// Folders for apps of a root daemon that run as other users. Their parent folder belongs to root, so no other user can replace
// one. Root makes such a folder and never looks into it: a process of that user does what has to be done there.
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
import { FIGURES_FOLDER } from '../../contract/figures.ts';
import { HEAP_REPORTS_FOLDER, LAST_WORDS_FOLDER } from '../../contract/lastWords.ts';

/** A sweep has a deadline, because a file system that the user has mounted there may never answer. */
const SWEPT_WITHIN_MS = 10_000;
/** Pause between two sweeps of one user's folder, because each starts a process. */
const SWEEP_EVERY_MS = 5_000;
/** The sweeper's group: nogroup, which gives it no rights. */
const NO_GROUP = 65_534;

export interface OthersFolders {
  /** Holds the lease of all their agents. Only root can write there; every user can read a file's time. */
  folder: string;
  /** A user's folder; makes it if it is missing. @throws why it cannot be made */
  of(uid: number): string;
  /** Removes unfinished files and sockets of dead processes, each as the user that owns the folder. */
  sweep(): void;
}

/** @param folder its parent belongs to root; it is made together with the first user's folder */
export function openOthersFolders(folder: string): OthersFolders {
  /** By user: a sweep runs, or another one is to follow it. */
  const sweeping = new Map<number, 'once' | 'again'>();
  return {
    folder,
    of(uid) {
      for (const each of [dirname(folder), folder]) makeRoots(each);
      const theirs = join(folder, String(uid));
      // Reads the parent and not the folder itself: a file system that its user has mounted there may never answer.
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

/** Removes an empty folder of a module that was killed before it renamed it. Leaves one that holds files of its user. */
function removeUnfinished(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Its user has put files there.
  }
}

/** Makes a folder that only root can change. @throws when it cannot, or when another user can change the folder */
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

/** `NAME-PM_ID-PID-TIME.ENDING.partial`: a file that a process still writes. */
export const PARTIAL = /-(\d+)-\d{8}T\d{9}Z\.[\w.]+\.partial$/;
/** The socket of a process's REPL. */
export const SOCKET = /^(\d+)\.sock$/;
/** What the flight recorder of a process has written: the module reads it when it has ended, perhaps after a restart of its own. */
const RECORD = /^(?:report\.\d+\.\d+\.)?(\d+)[-.].*(?:ring|json)$/;
const RECORD_KEPT_MS = 60 * 60_000;
/** The files that a process which dies may leave behind, by folder, and for how long they are kept then. */
export const LEFTOVERS: [folder: string, pattern: RegExp, keptMs: number][] = [
  ['dumps', PARTIAL, 0],
  ['profiles', PARTIAL, 0],
  ['reports', PARTIAL, 0],
  ['repl', SOCKET, 0],
  [FIGURES_FOLDER, RECORD, RECORD_KEPT_MS],
  [LAST_WORDS_FOLDER, RECORD, RECORD_KEPT_MS],
  [HEAP_REPORTS_FOLDER, RECORD, RECORD_KEPT_MS],
];

/** Starts as root, because the user may not be able to run our Node, and drops to that user before it looks at any file. */
const SWEEPER = `
  const [uid, folder] = process.argv.slice(1);
  process.setgroups([]);
  process.setgid(${NO_GROUP});
  process.setuid(Number(uid));
  const { existsSync, lstatSync, readdirSync, unlinkSync } = require('node:fs');
  const leftovers = [${LEFTOVERS.map(([kind, { source }, keptMs]) => `['${kind}', /${source}/, ${keptMs}]`)}];
  for (const [kind, pattern, keptMs] of leftovers) {
    try {
      for (const name of readdirSync(folder + '/' + kind)) {
        const pid = pattern.exec(name)?.[1];
        if (pid === undefined || existsSync('/proc/' + pid)) continue;
        const file = folder + '/' + kind + '/' + name;
        if (keptMs === 0 || Date.now() - lstatSync(file).mtimeMs > keptMs) unlinkSync(file);
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
