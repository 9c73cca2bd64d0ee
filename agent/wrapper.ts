// `pm2 start npm -- start` makes PM2 manage npm; the server is its grandchild. So it is with tsx, cross-env, nodemon and with a
// primary that forks workers of its own. Signals, dumps and drains would all miss the app, so every action says who the real
// process is instead.

import type { ActionName } from '../contract/actions/index.ts';
import { Refusal } from '../contract/errors.ts';
import type { DrainEngine } from '../drain/index.ts';
import { type RealProcess, realProcessOf } from '../shared/realProcess.ts';
import { insteadOf, whyNot } from '../shared/wrapperAdvice.ts';

export interface Wrapping {
  /** Who does the work of this process now; null: it does so itself. A child may begin to listen at any time. */
  real(): RealProcess | null;
  /** Does it listen for clients, and not only for its own children? */
  serves(): boolean;
}

export function watchWrapping(engine: DrainEngine): Wrapping {
  // One that has served once is an app, whatever it does now.
  let served = false;
  return { serves, real };

  function serves(): boolean {
    const state = engine.state();
    if (state === 'no-server') return false;
    return state !== 'serving' || engine.servers().some(({ listening, address }) => listening && !isPrivate(address));
  }

  function real(): RealProcess | null {
    served ||= serves();
    return realProcessOf(process.pid, served);
  }
}

/** A socket with this pid in its name is looked for by nobody but its own children. */
function isPrivate(address: string): boolean {
  return address.startsWith('/') && address.includes(String(process.pid));
}

/** What a primary cannot do for its workers; whatever is about the process itself, it can. */
const SERVING: ReadonlySet<ActionName> = new Set(['drain', 'resume', 'disable-keepalive', 'enable-keepalive']);

/** Does an action miss the app in that process? */
export function misses(action: ActionName, { is }: RealProcess): boolean {
  return is === 'primary' ? SERVING.has(action) : action !== 'ops-status';
}

/** The answer of every action in such a process, naming the real one and the line to write instead. */
export function wrapperRefusal(action: string, real: RealProcess): Refusal {
  return new Refusal('E_WRAPPER', whyNot(action, real), insteadOf(real, process.env.name ?? 'web'));
}
