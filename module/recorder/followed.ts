// What PM2 did after an exit, as far as it is known.
import type { Followed } from '../../contract/exits.ts';
import { causeOf } from './cause.ts';
import type { Exit } from './record.ts';

/** @param started the process that has taken its place. @returns undefined until PM2 has decided */
export function followedBy(exit: Omit<Exit, 'followed'>, started: Followed | undefined): Followed | undefined {
  const { event, seen, facts } = exit;
  if (facts.daemonEnded) return undefined;
  if (facts.isAsked) {
    if (started) return started;
    const { cause, asked = cause } = causeOf(facts);
    if (asked === 'stop') return { is: 'stopped' };
    return asked === 'delete' && facts.isGone ? { is: 'deleted' } : undefined;
  }
  const gaveUp = seen.notes.findLast((note) => note.is === 'gave-up');
  if (event.status === 'errored') return { is: 'gave-up', restarts: gaveUp?.is === 'gave-up' ? gaveUp.restarts : 0 };
  const { code } = event;
  if (code !== undefined && event.stopExitCodes.includes(code)) return { is: 'stop-exit-code', code };
  if (!event.autorestart) return { is: 'no-autorestart' };
  const backoff = seen.notes.find((note) => note.is === 'backoff' && note.at >= event.at - 1);
  if (backoff?.is === 'backoff') return { is: 'backoff', delayMs: backoff.delayMs };
  if (event.restartDelayMs !== undefined) return { is: 'backoff', delayMs: event.restartDelayMs };
  return started;
}
