// Tells whether an app has nothing to do right now. That is the moment to signal it and to load into it.

import { read, readStat } from './proc.ts';
import { mainLoopFd } from './processMemory.ts';

/** The numbers of `epoll_wait`, `epoll_pwait` and `epoll_pwait2`. */
const EPOLL_WAITS: Partial<Record<NodeJS.Architecture, string[]>> = {
  x64: ['232', '281', '441'],
  arm64: ['22', '441'],
};

export interface Idleness {
  idle: boolean;
  /** The descriptor of its event loop's epoll instance; null if it is not known. */
  loopFd: number | null;
  /** Does the process's memory show that descriptor? Else it may be the temporary loop of a `spawnSync`. */
  certain: boolean;
}

/** Does the main thread wait for events in its event loop? If the kernel does not show its system call, a sleeping thread counts as
 * idle. */
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
