// Starts one more instance of an app, and takes one away: what a dump's extra instance and a reload's canary have in common.
import { setTimeout as sleep } from 'node:timers/promises';
import type { PmId } from '../../contract/pmId.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Changes, Daemon } from '../pm2/daemon.ts';

/** Pause between two looks at PM2's list. */
const LOOK_EVERY_MS = 150;
/** An instance that keeps crashing may need a second try. */
const REMOVE_TRIES = 3;

/** The outcome of starting an instance. */
export type Started = { is: 'listed'; pmId: PmId } | { is: 'refused'; message: string } | { is: 'late' };

/** How an instance is started. */
export interface StartRequest {
  /** Id of the instance that the new one is a copy of. */
  model: PmId;
  /** How it differs from its model. */
  changes?: Changes;
  /** Does the new instance have the NODE_APP_INSTANCE of its model, or the next one? */
  number: 'same' | 'next';
  /** Finds the new instance in the fleet. */
  find(): PmId | undefined;
  withinMs: number;
}

/** What starting and removing need. */
export interface InstanceParts {
  fleet: Fleet;
  daemon: Pick<Daemon, 'startAnother' | 'remove'>;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
}

/** Has PM2 start one more instance and waits until PM2 lists it. Does not wait until the instance is ready. */
export async function startInstance({ daemon, refresh }: InstanceParts, request: StartRequest): Promise<Started> {
  const endsMs = performance.now() + request.withinMs;
  let refusal: string | undefined;
  daemon.startAnother(request.model, request.changes, request.number).catch((error: Error) => {
    refusal = error.message;
  });
  for (;;) {
    await refresh();
    const pmId = request.find();
    if (pmId !== undefined) return { is: 'listed', pmId };
    if (refusal !== undefined) return { is: 'refused', message: refusal };
    if (performance.now() > endsMs) return { is: 'late' };
    await sleep(LOOK_EVERY_MS);
  }
}

/**
 * Has PM2 end an instance and take it off its list.
 * @returns whether that has worked
 */
export async function removeInstance({ fleet, daemon, refresh }: InstanceParts, pmId: PmId): Promise<boolean> {
  for (let tries = 0; tries < REMOVE_TRIES; tries++) {
    const listed = fleet.get(pmId)?.process;
    if (!listed) return true;
    await daemon.remove(pmId, listed.killTimeoutMs).catch(() => {});
    await refresh();
  }
  return fleet.get(pmId) === undefined;
}
