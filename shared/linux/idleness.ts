// Whether an app has nothing to do right now: the moment to signal it, and to load into it.

import { read, readStat } from './proc.ts';
import { mainLoopFd } from './processMemory.ts';

/** Where `epoll_wait`, `epoll_pwait` and `epoll_pwait2` stand in the system call tables. */
const EPOLL_WAITS: Partial<Record<NodeJS.Architecture, string[]>> = {
  x64: ['232', '281', '441'],
  arm64: ['22', '441'],
};

export interface Idleness {
  idle: boolean;
  /** Descriptor of the epoll instance of its event loop, as far as it can be told. */
  loopFd: number | null;
  /** Known from the process's memory, and so not taken for a loop of the moment, which `spawnSync` has. */
  certain: boolean;
}

/** Whether the main thread waits for events in its event loop. Where the kernel does not show what it waits for,
 * sleeping has to do. */
export function idleness(pid: number): Idleness {
  const mainFd = mainLoopFd(pid);
  const certain = mainFd !== null;
  const call = read(`/proc/${pid}/syscall`);
  if (!call) return { idle: readStat(pid)?.state === 'S', loopFd: mainFd, certain: false };
  const [number, fd] = call.split(' ');
  const waits = (EPOLL_WAITS[process.arch] ?? []).includes(number ?? '');
  const waitsFor = waits ? Number(fd) : null;
  return { idle: waits && (!certain || waitsFor === mainFd), loopFd: mainFd ?? waitsFor, certain };
}
