// The agent lives on a lease: without a sign of its module it takes itself out again. The sign is a file's mtime, since
// a message would wake every app every time.
import { stat } from 'node:fs/promises';

/**
 * Watches the lease.
 * @param file renewed by the module six times per lease
 * @param leaseMs the latest moment, in milliseconds since the last renewal, at which `onExpired` has been called
 * @param onLook is called at every look, for what is to be looked at as rarely
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
    // Twice, one check apart: a machine that slept wakes the app before the module has had its turn.
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
