// Asks one agent to do something, and gets exactly its answer, by a nonce.
import { randomUUID } from 'node:crypto';
import type { ActionName, ActionProgress, AgentMessage, ErrorCode, Reply } from '../protocol.ts';
import type { Daemon, PmId } from './daemon.ts';

export interface AgentCalls {
  /**
   * Runs an action in one process. Settles in any case: without an answer within `withinMs` it is an E_TIMEOUT.
   * @param params as a person gave them: the agent validates
   * @param onProgress what the action tells before it answers
   */
  run(
    pmId: PmId,
    action: ActionName,
    params: Record<string, unknown>,
    withinMs: number,
    onProgress?: (progress: ActionProgress) => void,
  ): Promise<Reply>;
  /** Delivers an answer, or a word before it. */
  heard(message: Extract<AgentMessage, { kind: 'reply' | 'progress' }>): void;
}

export function createAgentCalls(send: Daemon['send']): AgentCalls {
  const waiting = new Map<string, { reply(reply: Reply): void; progress(progress: ActionProgress): void }>();
  return {
    async run(pmId, action, params, withinMs, onProgress = () => {}) {
      const nonce = randomUUID();
      const failure = (code: ErrorCode, message: string): Reply => {
        return { ok: false, action, code, message, hint: 'look at: pm2-ops status' };
      };
      const answer = new Promise<Reply>((resolve) => {
        waiting.set(nonce, { reply: resolve, progress: onProgress });
      });
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<Reply>((resolve) => {
        const reply = failure('E_TIMEOUT', `no answer within ${withinMs} ms`);
        timer = setTimeout(resolve, withinMs, reply);
      });
      try {
        await send(pmId, { kind: 'run', nonce, action, params });
        return await Promise.race([answer, late]);
      } catch (error) {
        return failure('E_STATE', (error as Error).message);
      } finally {
        clearTimeout(timer);
        waiting.delete(nonce);
      }
    },
    heard(message) {
      const call = waiting.get(message.nonce ?? '');
      if (message.kind === 'reply') call?.reply(message.reply);
      else call?.progress(message.progress);
    },
  };
}
