// Lets the siblings of this process have the processor first while it does something long that no client waits for.
import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Bit of CAP_SYS_NICE in a capability set (linux/capability.h): without it a priority that was given up is gone for good. */
const CAP_SYS_NICE = 23n;

/** A third of the weight of a normal process (kernel/sched/core.c, sched_prio_to_weight): enough for the siblings to be
 * served first, and enough for this one to be back soon on a machine at its limit. */
const NICENESS = 5;

/** Runs `work` with less priority for this thread, where it can take that back; otherwise as it is. */
export function withLowPriority<T>(work: () => T): T {
  const before = lower();
  try {
    return work();
  } finally {
    if (before !== undefined) setPriority(0, before);
  }
}

/** @returns the priority from before, undefined where nothing was changed */
function lower(): number | undefined {
  try {
    const capabilities = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (capabilities === undefined || ((BigInt(`0x${capabilities}`) >> CAP_SYS_NICE) & 1n) === 0n) return undefined;
    const before = getPriority(0);
    if (before >= NICENESS) return undefined;
    setPriority(0, NICENESS);
    return before;
  } catch {
    return undefined;
  }
}
