// One attach at a time on a host: the inspector's port is the same for every process. Who may hold that up is only the user of
// this module, and root: the lock is a file in a folder that nobody else can write to. A file tells who holds it and since
// when that process lives, so that one whose holder is gone means nothing, however it ended.
//
// Modules of other users share the port, too. They wait for each other at an abstract unix socket, which anybody may hold:
// so it is waited for, for a moment, and never decides. Whether the port is free is looked at before every signal in any case.

import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, type ProcessId, read, readLink, readStat } from '../../shared/linux/proc.ts';

/** The name fills the address to its last byte: older libuv pads shorter abstract names with NULs, newer does not. */
const ABSTRACT_NAME_BYTES = 107;
const NAME = `\0${'pm2-ops.inspector.'.padEnd(ABSTRACT_NAME_BYTES, '-')}`;
const RETRY_MS = 10;
/** How long modules of other users are waited for, in milliseconds; an attach takes a tenth of it. */
const COURTESY_MS = 1000;

export interface Lock {
  release(): Promise<void>;
}

/** Waits for this user's lock; null when it is still held by someone else at the deadline (`holderOfLock` says by whom). */
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

/** Who holds this user's lock now, for a message: `process 812 (node)`; null when nobody does. */
export function holderOfLock(): string | null {
  const folder = lockFolder();
  const [holder] = folder === null ? [] : held(folder);
  return holder ? `process ${holder.pid} (${read(`/proc/${holder.pid}/comm`)?.trim() ?? 'gone'})` : null;
}

let taken = 0;

/** @returns the lock's file; undefined where there is no folder for it, null when somebody else has it at the deadline */
async function takeFile(deadline: number, signal?: AbortSignal): Promise<string | undefined | null> {
  const folder = lockFolder();
  const self = readStat(process.pid);
  if (folder === null || !self) return undefined;
  const name = `${namespaces()}-${process.pid}-${self.startTime}-${++taken}`;
  const file = join(folder, name);
  for (;;) {
    try {
      // Whoever wants it puts a file there first and looks for others then: of two, at least one sees the other.
      if (held(folder).length === 0) {
        closeSync(openSync(file, 'wx', 0o600));
        if (held(folder).every((other) => other.name === name)) return file;
        remove(file);
      }
    } catch {
      // A full or a read-only disk: as without a folder.
      return undefined;
    }
    if (performance.now() >= deadline || signal?.aborted) return null;
    // Jitter, so that several waiters do not meet again and again.
    await sleep(RETRY_MS * (0.5 + Math.random()));
  }
}

/** Files of living processes. Those of others are removed: no process with that pid and start will come again. */
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

/** What makes ports and pids the same ones. */
function namespaces(): string {
  return ['net', 'pid'].map((kind) => /\d+/.exec(readLink(`/proc/self/ns/${kind}`) ?? '0')).join('-');
}

/** A folder of this user's that nobody else can write to, at the same place for all its modules; null if there is none. */
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
    // Where anybody may make folders, somebody else may have made this one.
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
    // Somebody else saw that its holder was gone.
  }
}

/** Sockets whose holder has had the name for longer than any attach takes: not waited for again. */
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

/** The kernel's number of the socket that has the name; a module takes a new one each time. */
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
