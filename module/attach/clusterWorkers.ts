// The workers that an app forks by Node's `cluster`. The primary hands a request for debugging on to them
// (lib/internal/cluster/primary.js, NODE_DEBUG_ENABLED): whoever signals it signals processes that PM2 does not manage, and
// nobody closes the inspectors that they open.

import { clusterWorkersOf } from '../../shared/linux/clusterWorkers.ts';
import { wasToldToInspect } from '../../shared/linux/nodeOptions.ts';
import type { Debt } from './journal.ts';

/**
 * What is owed to the workers of a process that had none when it was signalled: they may have got the signal, too. One that was
 * told to be inspected by whoever started it is not ours to close.
 */
export function workerDebts(pid: number): Debt[] {
  return clusterWorkersOf(pid)
    .filter((worker) => !wasToldToInspect(worker.pid))
    .map((worker) => ({ ...worker, inodes: [], loopFd: null }));
}
