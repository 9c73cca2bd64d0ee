// Asks the module for listening sockets, or hands it some. Each question is a connection of its own, so that nothing stays open.
import type { AgentOptions } from '../../contract/agentMessages.ts';
import { DOOR_ANSWERS_WITHIN_MS, type DoorReply, type DoorRequest } from '../../contract/door.ts';
import type { Bindings, SocketHandle } from '../../shared/ipc/bindings.ts';
import { type Lines, speakOver } from '../../shared/ipc/lines.ts';

/** What the module answered. */
export interface Answer {
  /** By address; whoever has asked owns them. */
  held: Map<string, SocketHandle>;
  /** How long they may be kept without a server. */
  limitMs: number;
  refused?: string;
  off: boolean;
  /** For the agent of a process that starts. */
  agent?: AgentOptions;
}

/** A question of this process, without the part that says who asks. */
export type Question = DoorRequest extends infer Each
  ? Each extends DoorRequest
    ? Omit<Each, 'pmId' | 'pid'>
    : never
  : never;

/** Nobody listens there, or the module that did is gone; or it does not answer in time. */
export type NoAnswer = 'gone' | 'silent';

/** Never throws. */
export type Ask = (question: Question, handle?: SocketHandle) => Promise<Answer | NoAnswer>;

export interface AskParts {
  bindings: Bindings;
  /** The module's socket. */
  path: string;
  pmId: number;
  /** Does a question keep the process alive until it is answered? */
  keepsAlive: boolean;
}

export function createAsk({ bindings, path, pmId, keepsAlive }: AskParts): Ask {
  return (question, handle) =>
    new Promise((resolve) => {
      const held = new Map<string, SocketHandle>();
      let lines: Lines | undefined;
      const pipe = bindings.pipe();
      if (!keepsAlive) pipe.unref();
      const timer = setTimeout(() => settle('silent'), DOOR_ANSWERS_WITHIN_MS);
      if (!keepsAlive) timer.unref();

      const connecting = bindings.connecting((status) => {
        try {
          if (status !== 0) settle('gone');
          else speak();
        } catch {
          settle('gone');
        }
      });
      if (pipe.connect(connecting, path) !== 0) settle('gone');

      function speak(): void {
        lines = speakOver(pipe, bindings, { onMessage: hear, onEnd: () => settle('gone') });
        const request = { ...question, pmId, pid: process.pid } as DoorRequest;
        if (!lines.send(request, handle)) settle('gone');
      }

      function hear(message: unknown, came?: SocketHandle): void {
        const reply = message as DoorReply;
        if (reply.is === 'held' && came) held.set(reply.at, came);
        else if (reply.is === 'end') {
          const { refused, off, limitMs = 0, agent } = reply;
          settle({
            ...{ held, limitMs, off: off === true },
            ...(refused === undefined ? {} : { refused }),
            ...(agent === undefined ? {} : { agent }),
          });
        } else came?.close();
      }

      function settle(answer: Answer | NoAnswer): void {
        clearTimeout(timer);
        lines?.stop();
        lines = undefined;
        pipe.close();
        if (typeof answer === 'string') for (const each of held.values()) each.close();
        resolve(answer);
      }
    });
}
