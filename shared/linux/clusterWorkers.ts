// Finds the workers that an app forks with Node's `cluster`.

import { childrenOf, type ProcessId, read, readStat } from './proc.ts';

/** The variable with which `cluster.fork` tells a process that it is a worker. The worker deletes it, but /proc shows the
 * environment that it was started with. */
const MARK = '\0NODE_UNIQUE_ID=';

/**
 * The living workers of a process that is the primary of a cluster of its own.
 * @param children the children of the process, if they are known already
 */
export function clusterWorkersOf(pid: number, children = childrenOf(pid)): ProcessId[] {
  return children.flatMap((child) => {
    const stat = `\0${read(`/proc/${child}/environ`) ?? ''}`.includes(MARK) ? readStat(child) : null;
    return stat ? [{ pid: child, startTime: stat.startTime }] : [];
  });
}
