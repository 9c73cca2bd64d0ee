// Waits until an app has nothing to do, and decides what to do with an app that never is idle.

import { idleness } from '../../shared/linux/idleness.ts';
import { isAlive, type ProcessId } from '../../shared/linux/proc.ts';
import { pollUntil } from '../../shared/time.ts';
import { same } from './journal.ts';
import { AttemptFailed, RETRY_SOON_MS } from './outcome.ts';
import { type Fit, qualify } from './qualify.ts';

/** How long to wait for an idle moment before the signal. */
const IDLE_MS = 250;
const IDLE_POLL_MS = 2;
const MAX_BUSY_ATTEMPTS = 3;

export interface IdleGate {
  /** Resolves when a process is idle. Fails for a process that never is, until it was put off often enough: V8 can run our
   * code in a busy process, too. */
  pass(candidate: Fit): Promise<void>;
}

/** Creates the gate of one attacher, which remembers the processes that it has put off. */
export function createIdleGate(): IdleGate {
  const putOff = new Map<number, { id: ProcessId; count: number }>();
  return {
    async pass(candidate) {
      if (await idleWithin(candidate.pid, IDLE_MS)) {
        putOff.delete(candidate.pid);
        return;
      }
      const before = putOff.get(candidate.pid);
      const count = before && same(before.id, candidate) ? before.count + 1 : 1;
      for (const [pid, { id }] of putOff) if (!isAlive(id)) putOff.delete(pid);
      putOff.set(candidate.pid, { id: candidate, count });
      if (count <= MAX_BUSY_ATTEMPTS)
        throw new AttemptFailed('busy', `was never idle for ${IDLE_MS} ms`, RETRY_SOON_MS);
    },
  };
}

/** Is a process idle at some moment within that time? */
export function idleWithin(pid: number, timeoutMs: number): Promise<boolean> {
  return pollUntil(() => idleness(pid).idle, { everyMs: IDLE_POLL_MS, timeoutMs });
}

/** The process under a pid. Fails the attempt if that process must not be signalled. */
export function fitOrFail(pid: number): Fit {
  const answer = qualify(pid);
  if (answer.fit) return answer;
  throw new AttemptFailed(answer.code, answer.reason, answer.retry ? RETRY_SOON_MS : null);
}
