// The last line of a log must not get lost in a process that exits.

/** How long it may take to be written, in milliseconds; part of the margin. */
const LAST_WRITE_MS = 50;

/** Resolves when what was written to stdout and stderr has left the process, at the latest after 50 ms. */
export async function untilWritten(): Promise<void> {
  const end = performance.now() + LAST_WRITE_MS;
  while (performance.now() < end && isWriting()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** In PM2's cluster mode both are replaced by functions that write to files behind our back (lib/ProcessContainer.js): only
 * the write itself can be seen. */
function isWriting(): boolean {
  if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) return true;
  return process.env.exec_mode === 'cluster_mode' && process.getActiveResourcesInfo().includes('FSReqCallback');
}
