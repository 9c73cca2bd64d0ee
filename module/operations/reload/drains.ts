// Drains instances through their agents before PM2 touches them, so that it does not matter how an app takes PM2's SIGINT.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure } from '../../../contract/errors.ts';
import type { PmId } from '../../../contract/pmId.ts';
import type { HeardReply } from '../../../contract/reply.ts';
import { isRunning } from '../../../shared/linux/running.ts';
import { pollUntil } from '../../../shared/time.ts';
import type { AgentCalls } from '../../agents/agentCalls.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import { refused } from './reloadFailure.ts';
import { AGENT_MARGIN_MS, AT_ONCE_MS, DRAIN_BEGINS_WITHIN_MS, LOOK_EVERY_MS } from './timing.ts';

/** How often a run asks for a drain while the coordinator says that no other instance serves yet, and the pause. */
const DRAIN_TRIES = 6;
const DRAIN_PAUSE_MS = 500;

/** The drains of one run. */
export interface Drains {
  /** Instances that this run has drained and neither replaced nor resumed yet. */
  readonly drained: Set<PmId>;
  /** Settles when the instance is drained, when it cannot be, or when it has ended. */
  drain(pmId: PmId, options?: DrainOptions): Promise<HeardReply<'drain'>>;
  /** Has a drained instance serve again. */
  resume(pmId: PmId): Promise<void>;
}

/** How a run asks for a drain. */
export interface DrainOptions {
  /** Ask once, whatever the coordinator says. */
  once?: boolean;
  /** Drain the last instance that serves, too. */
  force?: boolean;
}

/**
 * @param budgetMs how long requests in flight may take
 * @param note tells what could not be resumed
 */
export function createDrains(
  { fleet, calls }: { fleet: Fleet; calls: AgentCalls },
  budgetMs: number,
  note: (text: string) => void,
): Drains {
  const drained = new Set<PmId>();
  return { drained, drain, resume };

  async function drain(pmId: PmId, { once = false, force = false }: DrainOptions = {}): Promise<HeardReply<'drain'>> {
    const member = fleet.get(pmId);
    if (member?.attachment.is !== 'attached') {
      const reason = member ? `: ${member.attachment.reason}` : '';
      return refused('E_STATE', `it has no agent${reason}`, 'look with: pm2-ops status');
    }
    const params = { timeout: budgetMs, force };
    const begunMs = performance.now();
    for (let tries = 1; ; tries++) {
      const reply = await drainOnce(pmId, member.process.pid, params);
      // The others may just be attached or listen again; or a drain of it runs already; or it is too busy to hear us.
      const late = !reply.ok && reply.code === 'E_TIMEOUT' && performance.now() - begunMs < DRAIN_BEGINS_WITHIN_MS;
      const again = late || (!reply.ok && (reply.code === 'E_LAST' || reply.code === 'E_BUSY'));
      if (!again || tries >= (once ? 1 : DRAIN_TRIES)) return reply;
      await sleep(DRAIN_PAUSE_MS);
    }
  }

  async function drainOnce(pmId: PmId, pid: number, params: { timeout: number; force: boolean }) {
    const withinMs = budgetMs + AGENT_MARGIN_MS;
    const settled = new AbortController();
    try {
      return await Promise.race([
        calls.run(pmId, 'drain', params, withinMs),
        // The call's own deadline comes first.
        whenGone(pid, withinMs + LOOK_EVERY_MS, settled.signal),
      ]);
    } finally {
      settled.abort();
    }
  }

  async function resume(pmId: PmId): Promise<void> {
    const reply = await calls.run(pmId, 'resume', {}, AT_ONCE_MS * 2);
    drained.delete(pmId);
    if (!reply.ok) note(`id ${pmId} could not be resumed: ${reply.message}`);
  }
}

/** A process that ends while it drains gives no answer any more. */
async function whenGone(pid: number, timeoutMs: number, signal: AbortSignal): Promise<Failure> {
  await pollUntil(() => !isRunning(pid), { everyMs: LOOK_EVERY_MS, timeoutMs, signal, ref: false });
  return refused('E_STATE', `pid ${pid} ended meanwhile`, 'look with: pm2 ls');
}
