// The agent lives on a lease, a file that the module renews: when its mtime is old, the agent disposes of itself. It is a file,
// because a message would wake every app at each renewal.
import { stat } from 'node:fs/promises';

/**
 * Watches the lease.
 * @param file the module renews it six times per lease
 * @param leaseMs `onExpired` is called within this time after the last renewal
 * @param onLook called at every look at the file, for other work that is due as rarely
 * @returns a function that stops the watch
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
    // Two checks in a row, because on a machine that slept, the app may wake before the module has renewed the lease.
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
