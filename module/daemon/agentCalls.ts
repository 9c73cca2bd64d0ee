// Asks one agent to do something, and gets exactly its answer, by a nonce.
import { randomUUID } from 'node:crypto';
import type { ActionName, AgentMessage, ErrorCode, ParamValues, Reply } from '../protocol.ts';
import type { Daemon, PmId } from './daemon.ts';

export interface AgentCalls {
  /** Runs an action in one process. Settles in any case: without an answer within `withinMs` it is an E_TIMEOUT. */
  run(pmId: PmId, action: ActionName, params: ParamValues, withinMs: number): Promise<Reply>;
  /** Delivers an answer. */
  heard(message: Extract<AgentMessage, { kind: 'reply' }>): void;
}

export function createAgentCalls(send: Daemon['send']): AgentCalls {
  const waiting = new Map<string, (reply: Reply) => void>();
  return {
    async run(pmId, action, params, withinMs) {
      const nonce = randomUUID();
      const failure = (code: ErrorCode, message: string): Reply => {
        return { ok: false, action, code, message, hint: 'look at: pm2-ops status' };
      };
      const answer = new Promise<Reply>((resolve) => waiting.set(nonce, resolve));
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
    heard({ nonce, reply }) {
      waiting.get(nonce)?.(reply);
    },
  };
}
