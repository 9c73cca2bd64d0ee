// An agent that the app has loaded itself (`node --import`) announces itself, and waits for a welcome.

import type { PmId } from '../../contract/pmId.ts';
import { isAttached } from '../fleet/attachment.ts';
import type { Handshake } from './handshake.ts';
import type { Services } from './services.ts';

/** How long such an agent may take to answer its welcome, before the module attaches live. */
const KNOCK_MS = 5_000;

export interface Knocks {
  /** An agent that the app has loaded itself announces itself. */
  knocked(pmId: PmId, pid: number): void;
  /** Has its agent announced itself a moment ago? Then a welcome is on its way. */
  isKnocking(pmId: PmId, pid: number): boolean;
}

type Parts = Pick<Services, 'fleet' | 'refresh'> & { handshake: Pick<Handshake, 'welcome'> };

export function createKnocks({ fleet, refresh, handshake }: Parts): Knocks {
  const knocks = new Map<PmId, { pid: number; atMs: number }>();

  return { knocked, isKnocking };

  function knocked(pmId: PmId, pid: number): void {
    for (const [each, { atMs }] of knocks) if (Date.now() - atMs > KNOCK_MS) knocks.delete(each);
    // Reads PM2's list only once, because PM2 measures all its processes for that.
    if (isKnocking(pmId, pid)) return;
    knocks.set(pmId, { pid, atMs: Date.now() });
    refresh()
      .then(() => {
        const member = fleet.get(pmId);
        if (member && member.process.pid === pid && !isAttached(member)) return handshake.welcome(member);
      })
      .catch(() => {});
  }

  function isKnocking(pmId: PmId, pid: number): boolean {
    const knock = knocks.get(pmId);
    return knock?.pid === pid && Date.now() - knock.atMs < KNOCK_MS;
  }
}
