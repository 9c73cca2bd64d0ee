// Opens a REPL in this process when the module asks for it. The request brings the REPL's code, so that other apps carry none of it.

import { Refusal } from '../../contract/errors.ts';
import type { ReplRequest } from '../../contract/replRequest.ts';
import type { Reply } from '../../contract/reply.ts';
import { failureOf } from '../failure.ts';
import type { OpenRepl, ReplOptions } from './main.ts';

export interface Repls {
  /** Opens the REPL, unless one is open. Always resolves. */
  open(request: ReplRequest): Promise<Reply>;
  /** Ends the REPL if one is open. */
  close(reason: string): void;
}

interface Current {
  user: string;
  since: Date;
  repl?: OpenRepl;
}

type Open = (options: ReplOptions, onClosed: () => void) => Promise<OpenRepl>;

/** Keeps the one REPL that may be open in this process. */
export function createRepls(): Repls {
  let current: Current | undefined;

  return {
    async open(request) {
      const startedMs = performance.now();
      try {
        if (current) {
          throw new Refusal(
            'E_BUSY',
            `${current.user} has had a REPL open in this process since ${current.since.toISOString()}`,
            'one person at a time: it closes when they leave, or after 10 idle minutes',
          );
        }
        const mine: Current = { user: request.data.who.user, since: new Date() };
        current = mine;
        try {
          mine.repl = await load(request.source)({ ...request.data, worker: request.worker }, () => {
            if (current === mine) current = undefined;
          });
        } catch (error) {
          if (current === mine) current = undefined;
          throw new Refusal(
            'E_STATE',
            `a REPL cannot be opened here: ${(error as Error).message}`,
            'look at: pm2-ops doctor',
          );
        }
        const ms = Math.round(performance.now() - startedMs);
        return { ok: true, action: 'repl', pid: process.pid, ms, socket: request.data.socket };
      } catch (error) {
        return failureOf('repl', error);
      }
    },
    close(reason) {
      current?.repl?.close(reason);
    },
  };
}

function load(source: string): Open {
  const { Script } = require('node:vm') as typeof import('node:vm');
  const wrapped = new Script(`(function (module, exports, require) {${source}\n})`, { filename: 'pm2-ops:repl.cjs' });
  const module = { exports: {} as { open: Open } };
  (wrapped.runInThisContext() as (...args: unknown[]) => void)(module, module.exports, require);
  return module.exports.open;
}
