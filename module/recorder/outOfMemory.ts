// Has the kernel killed a process because memory ran out? It counts such kills, for each cgroup and for the host, and does not say
// whom it has killed: so a kill that was counted lately, and an end with SIGKILL, together are probably the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A counted kill belongs to an exit that follows within this time. */
const BELONGS_MS = 10_000;

export interface OutOfMemory {
  /** Learns the cgroup of a running process; a wrapper may move it into another one as it starts. */
  learn(pid: number): void;
  /** Counts anew. */
  look(): void;
  /** Takes one kill for a process that ended with SIGKILL. @returns what tells, for a person */
  claim(pid: number): string | undefined;
  forget(pid: number): void;
}

interface Counter {
  count: number;
  /** Kills that no exit has claimed, and when they were counted last. */
  unclaimed: number;
  atMs: number;
}

/** @param root of the kernel's files; another one in tests */
export function watchOutOfMemory(root = '/'): OutOfMemory {
  const counters = new Map<string, Counter>();
  const fileOf = new Map<number, string>();
  const vmstat = join(root, 'proc/vmstat');
  count(vmstat);

  return {
    learn(pid) {
      const file = eventsFile(root, pid) ?? vmstat;
      fileOf.set(pid, file);
      if (!counters.has(file)) count(file);
    },
    look() {
      const used = new Set([vmstat, ...fileOf.values()]);
      for (const file of counters.keys()) {
        if (used.has(file)) count(file);
        else counters.delete(file);
      }
    },
    claim(pid) {
      const own = fileOf.get(pid) ?? vmstat;
      for (const file of new Set([own, vmstat])) {
        const counter = count(file);
        if (counter === undefined) continue;
        if (counter.unclaimed > 0) {
          counter.unclaimed -= 1;
          return file === vmstat
            ? 'the kernel killed a process for lack of memory at that time (oom_kill in /proc/vmstat rose)'
            : `the kernel killed a process of its cgroup for lack of memory at that time (oom_kill in ${file} rose)`;
        }
        // Its cgroup counts every such kill in it, so one on the host was another process.
        return undefined;
      }
      return undefined;
    },
    forget: (pid) => void fileOf.delete(pid),
  };

  /** @returns undefined if the file is gone */
  function count(file: string): Counter | undefined {
    const kills = killsIn(file);
    if (kills === undefined) return undefined;
    const known = counters.get(file);
    const now = performance.now();
    const isOver = known !== undefined && now - known.atMs > BELONGS_MS;
    const risen = known ? Math.max(0, kills - known.count) : 0;
    const counter = {
      count: kills,
      unclaimed: (isOver ? 0 : (known?.unclaimed ?? 0)) + risen,
      atMs: risen > 0 || !known ? now : known.atMs,
    };
    counters.set(file, counter);
    return counter;
  }
}

/** The file that counts for the cgroup of a process, of either version of cgroups. */
function eventsFile(root: string, pid: number): string | undefined {
  const lines = text(join(root, `proc/${pid}/cgroup`))?.split('\n') ?? [];
  for (const line of lines) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isOwn = controllers === '' || controllers.split(',').includes('memory');
    if (!isOwn || path.includes('/..')) continue;
    const file =
      controllers === ''
        ? join(root, 'sys/fs/cgroup', path, 'memory.events')
        : join(root, 'sys/fs/cgroup/memory', path, 'memory.oom_control');
    if (killsIn(file) !== undefined) return file;
  }
  return undefined;
}

function killsIn(file: string): number | undefined {
  const kills = /^oom_kill (\d+)$/m.exec(text(file) ?? '')?.[1];
  return kills === undefined ? undefined : Number(kills);
}

function text(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
