// The agent lives on a lease: without a sign of its module it disposes of itself. The sign is a file's mtime, because a message
// would wake every app each time.
import { stat } from 'node:fs/promises';

/**
 * Watches the lease.
 * @param file renewed by the module six times per lease
 * @param leaseMs `onExpired` is called at most so long after the last renewal
 * @param onLook called at every look at the file, for other work that is due as rarely
 * @returns stops watching
 */
export function watchLease(
  file: string,
  leaseMs: number,
  onExpired: () => void,
  onLook: () => void = () => {},
): () => void {
  let staleChecks = 0;
  const check = async () => {
    onLook();
    const renewedMs = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.NEGATIVE_INFINITY,
    );
    const stale = Date.now() - renewedMs > (leaseMs * 2) / 3;
    staleChecks = stale ? staleChecks + 1 : 0;
    // Twice, one check apart: on a machine that slept, the app may wake before the module has renewed its lease.
    if (staleChecks >= 2) {
      clearInterval(timer);
      onExpired();
    }
  };
  const timer = setInterval(() => check().catch(() => {}), leaseMs / 6);
  timer.unref();
  return () => {
    staleChecks = Number.NEGATIVE_INFINITY;
    clearInterval(timer);
  };
}
