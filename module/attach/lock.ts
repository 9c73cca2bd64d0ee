// One attach at a time on a host, because the inspector's port is the same for every process. The lock is a file in a folder to
// which only this user and root can write, so no other user can hold up an attach. The file's name tells which process holds the
// lock and when that process started, so a lock whose holder is gone counts for nothing, however the holder ended.
//
// Modules of other users share the port, too. They wait for each other with an abstract Unix socket. Any user can hold that name,
// so a module waits for it only for a moment and then goes on. In any case it checks that the port is free before every signal.

import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, type ProcessId, read, readLink, readStat } from '../../shared/linux/proc.ts';

/** The name fills the whole address, because older versions of libuv pad a shorter one with NULs and newer ones do not. */
const ABSTRACT_NAME_BYTES = 107;
const NAME = `\0${'pm2-ops.inspector.'.padEnd(ABSTRACT_NAME_BYTES, '-')}`;
const RETRY_MS = 10;
/** How long to wait for modules of other users; an attach takes a tenth of it. */
const COURTESY_MS = 1000;

export interface Lock {
  release(): Promise<void>;
}

/** Waits for this user's lock; null if another process still holds it at the deadline (`holderOfLock` says which). */
export async function acquireLock(timeoutMs: number, signal?: AbortSignal): Promise<Lock | null> {
  const deadline = performance.now() + timeoutMs;
  const file = await takeFile(deadline, signal);
  if (file === null) return null;
  const courtesy = await takeName(Math.min(deadline, performance.now() + COURTESY_MS), signal);
  return {
    release: async () => {
      if (file !== undefined) remove(file);
      await new Promise<void>((resolve) => (courtesy ? courtesy.close(() => resolve()) : resolve()));
    },
  };
}

/** Which process holds this user's lock now, for a message: `process 812 (node)`; null if the lock is free. */
export function holderOfLock(): string | null {
  const folder = lockFolder();
  const [holder] = folder === null ? [] : held(folder);
  return holder ? `process ${holder.pid} (${read(`/proc/${holder.pid}/comm`)?.trim() ?? 'gone'})` : null;
}

let taken = 0;

/** @returns the lock's file; undefined if there is no folder for it; null if another process has the lock at the deadline */
async function takeFile(deadline: number, signal?: AbortSignal): Promise<string | undefined | null> {
  const folder = lockFolder();
  const self = readStat(process.pid);
  if (folder === null || !self) return undefined;
  const name = `${namespaces()}-${process.pid}-${self.startTime}-${++taken}`;
  const file = join(folder, name);
  for (;;) {
    try {
      // Makes its own file first and then looks for others, so that of two processes at least one sees the other.
      if (held(folder).length === 0) {
        closeSync(openSync(file, 'wx', 0o600));
        if (held(folder).every((other) => other.name === name)) return file;
        remove(file);
      }
    } catch {
      // The disk is full or read-only: go on without a lock, as without a folder.
      return undefined;
    }
    if (performance.now() >= deadline || signal?.aborted) return null;
    // Jitter, so that several waiters do not meet again and again.
    await sleep(RETRY_MS * (0.5 + Math.random()));
  }
}

/** The lock files of living processes. Removes those of dead ones: no process will have that pid and start time again. */
function held(folder: string): (ProcessId & { name: string })[] {
  const prefix = `${namespaces()}-`;
  return readdirSync(folder).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const [pid = 0, startTime = 0] = name.slice(prefix.length).split('-').map(Number);
    if (isAlive({ pid, startTime })) return [{ name, pid, startTime }];
    remove(join(folder, name));
    return [];
  });
}

/** The namespaces of ports and pids: only modules that share both share the lock. */
function namespaces(): string {
  return ['net', 'pid'].map((kind) => /\d+/.exec(readLink(`/proc/self/ns/${kind}`) ?? '0')).join('-');
}

/** A folder to which only this user can write, the same for all modules of the user; null if there is none. */
function lockFolder(): string | null {
  const uid = process.getuid?.() ?? 0;
  const candidates = uid === 0 ? ['/run/pm2-ops'] : [`/run/user/${uid}/pm2-ops`];
  return [...candidates, `/tmp/pm2-ops-lock-${uid}`].find((folder) => isOurs(folder, uid)) ?? null;
}

function isOurs(folder: string, uid: number): boolean {
  try {
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
    // In a folder like /tmp, another user may have made this one.
    const stats = lstatSync(folder);
    return stats.isDirectory() && stats.uid === uid && (stats.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Another process has removed it already.
  }
}

/** Sockets whose holder has kept the name for longer than any attach takes; modules do not wait for them again. */
const squatters = new Set<string>();

async function takeName(deadline: number, signal?: AbortSignal): Promise<Server | null> {
  const seen = new Set<string>();
  for (;;) {
    const server = await listen();
    if (server) return server;
    const holder = inodeOfName();
    if (holder !== null && squatters.has(holder)) return null;
    if (holder !== null) seen.add(holder);
    if (performance.now() >= deadline || signal?.aborted) {
      const [only] = seen;
      if (seen.size === 1 && only !== undefined && !signal?.aborted) squatters.add(only);
      return null;
    }
    await sleep(RETRY_MS * (0.5 + Math.random()));
  }
}

/** The inode of the socket that has the name. A module uses a new socket for each attach. */
function inodeOfName(): string | null {
  const line = read('/proc/net/unix')
    ?.split('\n')
    .find((text) => text.includes('@pm2-ops.inspector.'));
  return line?.split(/\s+/)[6] ?? null;
}

function listen(): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', () => resolve(null));
    server.listen(NAME, () => resolve(server));
  });
}
