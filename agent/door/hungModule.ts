// A module that holds a port and does not answer (stopped, or busy without end) must not keep an app from starting.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MODULE_FILE } from '../../contract/names.ts';
import { readStat } from '../../shared/linux/proc.ts';
import { listeners, ownSockets } from '../../shared/linux/sockets.ts';

/** How long the kernel may take to end it. */
const ENDS_WITHIN_MS = 2_000;
const LOOK_EVERY_MS = 20;

/**
 * @param folder the state folder
 * @returns the pid of the module of this process's daemon, if that is what has a socket listen on the port
 */
export function hungModule(folder: string, port: number): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(join(folder, MODULE_FILE), 'utf8')) as { pid: number };
    // After the module has gone, another process may have its pid.
    return readStat(pid)?.parent === process.ppid && holds(pid, port) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Ends it; settles when its sockets are closed. */
export async function endModule(pid: number, port: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  const startedMs = performance.now();
  while (holds(pid, port) && performance.now() - startedMs < ENDS_WITHIN_MS)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

function holds(pid: number, port: number): boolean {
  const inodes = listeners(process.pid).flatMap((each) => (each.port === port ? [each.inode] : []));
  return (ownSockets(pid, new Set(inodes))?.size ?? 0) > 0;
}
