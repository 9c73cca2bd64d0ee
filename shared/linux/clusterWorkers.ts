// The workers that an app forks by Node's `cluster`.

import { childrenOf, type ProcessId, read, readStat } from './proc.ts';

/** By this variable `cluster.fork` tells a process that it is a worker. The worker takes it out for its own children, but
 * /proc shows what it was started with. */
const MARK = '\0NODE_UNIQUE_ID=';

/**
 * The living workers of a process that is the primary of a cluster of its own.
 * @param children its children, where they are known already
 */
export function clusterWorkersOf(pid: number, children = childrenOf(pid)): ProcessId[] {
  return children.flatMap((child) => {
    const stat = `\0${read(`/proc/${child}/environ`) ?? ''}`.includes(MARK) ? readStat(child) : null;
    return stat ? [{ pid: child, startTime: stat.startTime }] : [];
  });
}
