// Decides which processes may be signalled. SIGUSR1 ends a process that has no handler for it, so the module leaves a process
// alone unless it is certain.

import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { inspectBinary } from '../../shared/linux/elf.ts';
import { nodeOptions } from '../../shared/linux/nodeOptions.ts';
import { ageMs, type ProcessId, readLink, readStat, readStatus } from '../../shared/linux/proc.ts';
import { hasOwnHandler, mappedFile } from '../../shared/linux/processMemory.ts';
import { type Unfit, unfit } from './outcome.ts';

export interface Fit extends ProcessId {
  fit: true;
  /** The pid as the process itself sees it, in its own pid namespace. */
  innerPid: number;
  /** The module cannot read its signal handlers, so it may signal the process only once. */
  blind: boolean;
}

/** The bit of SIGUSR1 (signal 10) in the mask of caught signals. */
const SIGUSR1_CAUGHT = 0x200n;
/** A Node process that has no SIGUSR1 handler at this age will never have one; it takes tens of milliseconds to install it. */
const BOOT_MS = 30_000;

/** Decides from /proc alone whether a process may get SIGUSR1; sends nothing. */
export function qualify(pid: number): Fit | Unfit {
  if (process.platform !== 'linux') {
    return unfit('unsupported-platform', `live attach needs Linux (this is ${process.platform})`);
  }
  if (!Number.isSafeInteger(pid) || pid <= 0) return unfit('gone', `no process ${pid}`);
  const stat = readStat(pid);
  const status = readStatus(pid);
  if (!stat || !status) return unfit('gone', `process ${pid} is gone`);
  const program = identify(pid, status.uid);
  if (program) return program;
  if (stat.state === 'T' || stat.state === 't') {
    return unfit('stopped', 'the process is stopped (SIGSTOP, or a native debugger holds it)', true);
  }
  const network = readLink(`/proc/${pid}/ns/net`);
  if (network !== null && network !== readLink('/proc/self/ns/net')) {
    return unfit('other-network', "runs in a network namespace of its own, so its inspector's port is not reachable");
  }
  if ((status.caught & SIGUSR1_CAUGHT) === 0n) return withoutHandler(pid, stat.startTime);
  const own = hasOwnHandler(pid);
  if (own === 'yes') {
    return unfit('own-sigusr1-handler', 'the app has a SIGUSR1 handler of its own, which a live attach would call');
  }
  return { fit: true, pid, startTime: stat.startTime, innerPid: status.innerPid, blind: own === 'unreadable' };
}

/** Null if the process certainly runs Node. */
function identify(pid: number, uid: number): Unfit | null {
  try {
    const name = basename(readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, ''));
    if (inspectBinary(`/proc/${pid}/exe`).isNode) return null;
    // Some distributions ship Node as a small program and a library.
    const library = mappedFile(pid, (path) => /\/libnode\.so[.\d]*$/.test(path));
    if (library && inspectBinary(`/proc/${pid}/root${library.path}`).isNode) return null;
    return unfit('not-node', `not Node (${name})`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') {
      return unfit('no-permission', `belongs to another user (uid ${uid}) than this PM2 (uid ${process.getuid?.()})`);
    }
    return unfit('gone', `process ${pid} is gone`);
  }
}

/** Tells why Node does not handle SIGUSR1, and whether it may soon. */
function withoutHandler(pid: number, startTime: number): Unfit {
  const disabling = nodeOptions(pid).find((word) => /^--(disable-sigusr1|(experimental-)?permission)$/.test(word));
  if (disabling) return unfit('sigusr1-disabled', `started with ${disabling}, so Node ignores SIGUSR1`);
  if (ageMs(startTime) < BOOT_MS) return unfit('booting', 'Node is still booting', true);
  return unfit('sigusr1-disabled', 'Node runs without its SIGUSR1 handler (--disable-sigusr1, --permission?)');
}
