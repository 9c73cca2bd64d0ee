// Asks the module's coordinator before something that concerns the siblings of this process too (a drain, a dump).
import { randomUUID } from 'node:crypto';
import type { ActionName, Addressed, AgentMessage, ParamValues, Verdict } from '../protocol.ts';
import { Refusal } from './refusal.ts';

/** How long the module may take to say at least "heard", in milliseconds; it answers in a few when it runs. */
const HEARD_WITHIN_MS = 2_000;

/** The coordinator's consent; `done` tells it that what was granted is over. */
export interface Grant {
  done(): void;
}

export interface Permission {
  /**
   * @returns a grant, or why this instance is to skip the action
   * @throws {Refusal} what the coordinator refused with, or E_TIMEOUT when no module answers
   */
  ask(action: ActionName, params: ParamValues, addressed: Addressed): Promise<Grant | { skip: string }>;
  /** Delivers the module's verdict. */
  settle(id: string, verdict: Verdict): void;
}

/** @param send puts an agent message on the bus; false when it could not */
export function createPermission(send: (message: AgentMessage) => boolean): Permission {
  const waiting = new Map<string, (verdict: Verdict) => void>();

  return {
    async ask(action, params, addressed) {
      const id = randomUUID();
      const { heapUsed } = process.memoryUsage();
      const question: AgentMessage = { kind: 'ask', id, pid: process.pid, action, params, addressed, heapUsed };
      const done = () => void send({ kind: 'done', id, pid: process.pid });
      try {
        let verdict = await next(id, HEARD_WITHIN_MS, () => send(question));
        while (verdict?.is === 'wait') {
          const { ms } = verdict;
          verdict = await next(id, ms);
        }
        if (verdict?.is === 'go') return { done };
        if (verdict?.is === 'skip') return { skip: verdict.reason };
        if (verdict?.is === 'refuse') throw new Refusal(verdict.code, verdict.message, verdict.hint);
        if (params.force === true) return { done };
        // Withdrawn: a verdict that comes after all must not leave the coordinator waiting for us.
        done();
        throw new Refusal(
          'E_TIMEOUT',
          `the pm2-ops module gave no answer on whether this instance may ${action} now`,
          'check that it runs: pm2 ls; to go on without it: force=true',
        );
      } finally {
        waiting.delete(id);
      }
    },
    settle(id, verdict) {
      waiting.get(id)?.(verdict);
    },
  };

  function next(id: string, timeoutMs: number, start?: () => boolean): Promise<Verdict | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs, undefined);
      timer.unref();
      waiting.set(id, (verdict) => {
        clearTimeout(timer);
        resolve(verdict);
      });
      if (start && !start()) {
        clearTimeout(timer);
        resolve(undefined);
      }
    });
  }
}
