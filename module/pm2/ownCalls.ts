// Which processes we have PM2 restart or delete, and for what: PM2 does not say who asked it.
import { type PmId, slotOf } from '../../contract/pmId.ts';
import type { Daemon } from './daemon.ts';

export interface OwnCall {
  what: string;
  call: 'restart' | 'reload' | 'remove';
}

export interface OwnCalls {
  /** The daemon for one purpose: `reload`, `heapdump scale=true`, a rule's name. Its calls are remembered under that purpose. */
  as(what: string): Daemon;
  /** Our call that was under way at that moment, in milliseconds of Date.now(). */
  at(pmId: PmId, moment: number): OwnCall | undefined;
}

/** Calls that are remembered; one is asked for within seconds of its end. */
const MOST_CALLS = 500;

export function watchOwnCalls(daemon: Daemon): OwnCalls {
  const calls: (OwnCall & { slot: PmId; from: number; until: number })[] = [];

  return {
    as: (what) => ({
      ...daemon,
      restart: (pmId, changes) => during({ what, call: 'restart' }, pmId, () => daemon.restart(pmId, changes)),
      reload: (pmId, changes) => during({ what, call: 'reload' }, pmId, () => daemon.reload(pmId, changes)),
      remove: (pmId, killTimeoutMs) => during({ what, call: 'remove' }, pmId, () => daemon.remove(pmId, killTimeoutMs)),
    }),
    at(pmId, moment) {
      const slot = slotOf(pmId);
      return calls.findLast((each) => each.slot === slot && each.from <= moment && moment <= each.until);
    },
  };

  async function during<T>(own: OwnCall, pmId: PmId, act: () => Promise<T>): Promise<T> {
    const call = { ...own, slot: slotOf(pmId), from: Date.now(), until: Number.POSITIVE_INFINITY };
    calls.push(call);
    if (calls.length > MOST_CALLS) calls.shift();
    try {
      return await act();
    } finally {
      call.until = Date.now();
    }
  }
}
