// The last line of a log must not get lost in a process that exits.

/** How long it may take to be written, in milliseconds; part of the margin. */
const LAST_WRITE_MS = 50;

/** Resolves when what was written to stdout and stderr has left the process, at the latest after 50 ms. */
export async function untilWritten(): Promise<void> {
  // In PM2's cluster mode both are replaced by functions that write to files behind our back.
  const behindOurBack = process.env.exec_mode === 'cluster_mode';
  const end = performance.now() + LAST_WRITE_MS;
  while (
    performance.now() < end &&
    (behindOurBack || process.stdout.writableLength > 0 || process.stderr.writableLength > 0)
  )
    await new Promise((resolve) => setTimeout(resolve, 5));
}
