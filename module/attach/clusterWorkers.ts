// The workers that an app forks by Node's `cluster`. The primary hands a request for debugging on to them
// (lib/internal/cluster/primary.js, NODE_DEBUG_ENABLED): whoever signals it signals processes that PM2 does not manage, and
// nobody closes the inspectors that they open.

import { childrenOf, type ProcessId, read, readStat, wasToldToInspect } from '../../shared/linux/proc.ts';
import type { Debt } from './journal.ts';

/** By this variable `cluster.fork` tells a process that it is a worker. The worker takes it out for its own children, but
 * /proc shows what it was started with. */
const MARK = '\0NODE_UNIQUE_ID=';

/** The living workers of a process that is the primary of a cluster of its own. */
export function clusterWorkersOf(pid: number): ProcessId[] {
  return childrenOf(pid).flatMap((child) => {
    const stat = `\0${read(`/proc/${child}/environ`) ?? ''}`.includes(MARK) ? readStat(child) : null;
    return stat ? [{ pid: child, startTime: stat.startTime }] : [];
  });
}

/**
 * What is owed to the workers of a process that had none when it was signalled: they may have got the signal, too. One that was
 * told to be inspected by whoever started it is not ours to close.
 */
export function workerDebts(pid: number): Debt[] {
  return clusterWorkersOf(pid)
    .filter((worker) => !wasToldToInspect(worker.pid))
    .map((worker) => ({ ...worker, inodes: [], loopFd: null }));
}
