// Reads what Linux tells about processes in /proc. It only reads files, so it cannot disturb an app.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Identifies a process among all that have had its pid. `startTime` is in clock ticks since boot. */
export interface ProcessId {
  pid: number;
  startTime: number;
}

export interface Stat {
  /** `R`, `S`, `D`, `T`, `t`, `Z`, … */
  state: string;
  parent: number;
  startTime: number;
}

/** The text of a file; null when the process is gone or the kernel hides it. */
export function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}

/** Where a symbolic link points; null when the process is gone or the kernel hides it. */
export function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** The state of a process; null when there is none, or only its zombie. */
export function readStat(pid: number): Stat | null {
  const text = read(`/proc/${pid}/stat`);
  // The name in the second field may hold spaces and parentheses.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent] = fields ?? [];
  const startTime = Number(fields?.[19]);
  if (!state || !Number.isSafeInteger(startTime) || state === 'Z' || state === 'X' || state === 'x') return null;
  return { state, parent: Number(parent), startTime };
}

/** Does this process still run, and not a later one with its pid? */
export function isAlive({ pid, startTime }: ProcessId): boolean {
  return readStat(pid)?.startTime === startTime;
}

/** The pids of a process's living children, of all its threads; empty when it is gone. */
export function childrenOf(pid: number): number[] {
  const lists = threadsOf(pid).map((tid) => read(`/proc/${pid}/task/${tid}/children`));
  // A kernel without these lists still tells the parent of every process.
  const children = lists.every((list) => list === null) ? allProcesses() : lists.join(' ').split(/\s+/).map(Number);
  return children.filter((child) => child > 0 && readStat(child)?.parent === pid);
}

/** The ids of a process's threads, the main one first; empty when it is gone. */
export function threadsOf(pid: number): number[] {
  return numbersIn(`/proc/${pid}/task`);
}

/** The pids of all visible processes. */
export function allProcesses(): number[] {
  return numbersIn('/proc');
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder)
      .map(Number)
      .filter((number) => number > 0);
  } catch {
    return [];
  }
}

/** An id that changes with every boot of the host, so that no pid of an earlier boot counts. */
export function bootId(): string {
  return read('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

/** The age of a process. */
export function ageMs(startTime: number): number {
  const uptimeSeconds = Number(read('/proc/uptime')?.split(' ')[0] ?? Number.NaN);
  // Clock ticks are 100 a second on every Linux that Node runs on.
  return Math.max(0, uptimeSeconds * 1000 - startTime * 10);
}

export interface Status {
  /** Bit n-1 is set when signal n is caught. */
  caught: bigint;
  /** The pid that the process itself sees, in its own pid namespace. */
  innerPid: number;
  uid: number;
}

/** The status of a process; null when there is none, or the kernel hides it. */
export function readStatus(pid: number): Status | null {
  const text = read(`/proc/${pid}/status`);
  const field = (name: string) => text?.match(new RegExp(`^${name}:\\s*(.*)$`, 'm'))?.[1]?.split(/\s+/);
  const caught = field('SigCgt')?.[0];
  if (!caught) return null;
  return {
    caught: BigInt(`0x${caught}`),
    innerPid: Number(field('NSpid')?.at(-1) ?? pid),
    uid: Number(field('Uid')?.[0]),
  };
}
