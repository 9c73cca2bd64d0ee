// The last line of a log must not get lost in a process that exits.

import { LAST_WRITE_MS } from '../drain/budget.ts';

/** Resolves when the process has passed on what was written to stdout and stderr, at the latest after 50 ms. */
export async function untilWritten(): Promise<void> {
  const end = performance.now() + LAST_WRITE_MS;
  while (performance.now() < end && isWriting()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** In PM2's cluster mode both streams are replaced by functions that write to files (lib/ProcessContainer.js): only the file
 * system's request can be seen then. */
function isWriting(): boolean {
  if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) return true;
  return process.env.exec_mode === 'cluster_mode' && process.getActiveResourcesInfo().includes('FSReqCallback');
}
