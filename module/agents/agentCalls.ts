// Asks one agent to do something, and recognises its answer by a nonce.
import { randomUUID } from 'node:crypto';
import type { ActionName } from '../../contract/actions/index.ts';
import type { AgentMessage, ModuleMessage } from '../../contract/agentMessages.ts';
import type { ErrorCode } from '../../contract/errors.ts';
import { isSameSlot, type PmId } from '../../contract/pmId.ts';
import type { ActionProgress } from '../../contract/progress.ts';
import type { ReplRequest } from '../../contract/replRequest.ts';
import type { HeardReply, Reply } from '../../contract/reply.ts';
import type { Daemon } from '../pm2/daemon.ts';

export interface AgentCalls {
  /**
   * Runs an action in one process. Always resolves: with E_TIMEOUT if no answer comes within `withinMs`.
   * @param params as a person gave them; the agent validates them
   * @param onProgress gets the action's progress before its reply
   */
  run<Name extends ActionName>(
    pmId: PmId,
    action: Name,
    params: Record<string, unknown>,
    withinMs: number,
    onProgress?: (progress: ActionProgress) => void,
  ): Promise<HeardReply<Name>>;
  /** Has one process open a REPL. Always resolves, like `run`. */
  repl(pmId: PmId, request: ReplRequest, withinMs: number): Promise<Reply>;
  /** Has one process hand its listening sockets to the module; settles as above. */
  door(pmId: PmId, path: string, withinMs: number): Promise<Reply>;
  /** Delivers a reply or a progress. @returns false if it answers a question to another process */
  heard(pmId: PmId, message: Extract<AgentMessage, { kind: 'reply' | 'progress' }>): boolean;
}

interface Call {
  /** The process that was asked. */
  pmId: PmId;
  reply(reply: Reply): void;
  progress(progress: ActionProgress): void;
}

export function createAgentCalls(send: Daemon['send']): AgentCalls {
  const waiting = new Map<string, Call>();
  return {
    run: (pmId, action, params, withinMs, onProgress = () => {}) =>
      ask(pmId, action, (nonce) => ({ kind: 'run', nonce, action, params }), withinMs, onProgress),
    repl: (pmId, request, withinMs) =>
      ask(
        pmId,
        'repl',
        (nonce) => ({ kind: 'repl', nonce, ...request }),
        withinMs,
        () => {},
      ),
    door: (pmId, path, withinMs) =>
      ask(
        pmId,
        'door',
        (nonce) => ({ kind: 'door', nonce, path }),
        withinMs,
        () => {},
      ),
    heard(pmId, message) {
      const call = waiting.get(message.nonce ?? '');
      // The action was started by a trigger, or its answer comes too late.
      if (!call) return true;
      if (!isSameSlot(call.pmId, pmId)) return false;
      if (message.kind === 'reply') call.reply(message.reply);
      else call.progress(message.progress);
      return true;
    },
  };

  async function ask(
    pmId: PmId,
    action: string,
    message: (nonce: string) => ModuleMessage,
    withinMs: number,
    progress: (progress: ActionProgress) => void,
  ): Promise<Reply> {
    const nonce = randomUUID();
    const failure = (code: ErrorCode, text: string): Reply => {
      return { ok: false, action, code, message: text, hint: 'look at: pm2-ops status' };
    };
    const answer = new Promise<Reply>((resolve) => {
      waiting.set(nonce, { pmId, reply: resolve, progress });
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Reply>((resolve) => {
      const reply = failure('E_TIMEOUT', `no answer within ${withinMs} ms`);
      timer = setTimeout(resolve, withinMs, reply);
    });
    try {
      await send(pmId, message(nonce));
      return await Promise.race([answer, late]);
    } catch (error) {
      return failure('E_STATE', (error as Error).message);
    } finally {
      clearTimeout(timer);
      waiting.delete(nonce);
    }
  }
}
