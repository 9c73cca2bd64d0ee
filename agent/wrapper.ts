// With `pm2 start npm -- start`, PM2 manages npm, and the server is npm's grandchild. The same happens with tsx, cross-env, nodemon
// and a primary that forks workers of its own. Signals, dumps and drains would all miss the app, so every action names the real
// process instead.

import type { ActionName } from '../contract/actions/index.ts';
import { Refusal } from '../contract/errors.ts';
import type { DrainEngine } from '../drain/index.ts';
import { type RealProcess, realProcessOf } from '../shared/realProcess.ts';
import { insteadOf, whyNot } from '../shared/wrapperAdvice.ts';

/** Tells whether this process is a wrapper. */
export interface Wrapping {
  /** The process that does the work now; null: this one. A child may begin to listen at any time. */
  real(): RealProcess | null;
  /** Does it listen for clients, and not only for its own children? */
  serves(): boolean;
}

/** Watches whether this process is a wrapper. */
export function watchWrapping(engine: DrainEngine): Wrapping {
  // A process that has served once is no wrapper, even if it stops listening.
  let served = false;
  let seenInThisTurn: { real: RealProcess | null } | undefined;
  return { serves, real };

  function serves(): boolean {
    const state = engine.state();
    if (state !== 'serving') return state !== 'no-server';
    const addresses = engine.addresses();
    // A server whose address cannot be told is not among them.
    return addresses.length === 0 || addresses.some(({ at }) => !isPrivate(at));
  }

  function real(): RealProcess | null {
    served ||= serves();
    // The agent asks several times in a turn, at its start above all, and reads /proc for each answer.
    if (seenInThisTurn === undefined) {
      seenInThisTurn = { real: realProcessOf(process.pid, served) };
      void Promise.resolve().then(() => {
        seenInThisTurn = undefined;
      });
    }
    return seenInThisTurn.real;
  }
}

/** Only children of this process look for a socket with its pid in the name. */
function isPrivate(address: string): boolean {
  return address.startsWith('/') && address.includes(String(process.pid));
}

/** The actions that a primary cannot perform for its workers. It can perform those that concern only itself. */
const SERVING: ReadonlySet<ActionName> = new Set(['drain', 'resume', 'disable-keepalive', 'enable-keepalive']);

/** Would an action in this process miss the app? */
export function misses(action: ActionName, { is }: RealProcess): boolean {
  return is === 'primary' ? SERVING.has(action) : action !== 'ops-status';
}

/** The answer of every action in a wrapper: it names the real process and the line to write instead. */
export function wrapperRefusal(action: string, real: RealProcess): Refusal {
  return new Refusal('E_WRAPPER', whyNot(action, real), insteadOf(real, process.env.name ?? 'web'));
}
