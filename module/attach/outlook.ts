// Looks at a process from outside for a fifth of a second: does it wait for events, and how much does it compute?

import { setTimeout as sleep } from 'node:timers/promises';
import { idleness } from '../../shared/linux/idleness.ts';
import { mainSyscall, mainThreadTimes } from '../../shared/linux/kernelView.ts';

const LOOKS = 10;
const LOOK_EVERY_MS = 20;

/** What /proc shows of a process over several looks. */
export interface Outlook {
  /** At how many of the looks it waited for events. */
  idle: number;
  looks: number;
  /** The system call that it was in at every look, unless that waits for events or for another thread. */
  blockedIn: string | null;
  /** All system calls that it was in. */
  calls: string[];
  overMs: number;
  cpu: number | null;
}

/** Looks at a process from outside. */
export async function lookFromOutside(pid: number): Promise<Outlook> {
  const measured = measure(pid);
  let idle = 0;
  let looks = 0;
  const calls = new Set<string>();
  for (; looks < LOOKS; looks++) {
    if (looks > 0) await sleep(LOOK_EVERY_MS);
    if (idleness(pid).idle) idle++;
    calls.add(mainSyscall(pid) ?? 'none');
  }
  const [call = 'none'] = calls;
  const blocked = idle === 0 && calls.size === 1 && !/^(none|futex)$/.test(call);
  return { idle, looks, blockedIn: blocked ? call : null, calls: [...calls], ...measured() };
}

/** Starts a clock. The function returns the time since, and for which share of it the main thread computed or waited for a CPU. */
export function measure(pid: number): () => { overMs: number; cpu: number | null } {
  const beganMs = performance.now();
  const before = mainThreadTimes(pid);
  return () => {
    const overMs = performance.now() - beganMs;
    const now = mainThreadTimes(pid);
    if (!now || !before) return { overMs: Math.round(overMs), cpu: null };
    const wantedMs = (now.hadNs + now.stoodInLineNs - before.hadNs - before.stoodInLineNs) / 1e6;
    return { overMs: Math.round(overMs), cpu: Math.min(1, Math.round((wantedMs / overMs) * 100) / 100) };
  };
}
