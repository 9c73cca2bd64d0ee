// Agents that the apps loaded themselves (`node --import`) announce themselves, and wait for a welcome.

import type { PmId } from '../../contract/pmId.ts';
import { isAttached } from '../fleet/attachment.ts';
import type { Handshake } from './handshake.ts';
import type { Services } from './services.ts';

/** How long such an agent has to answer its welcome before a live attach. */
const KNOCK_MS = 5_000;

export interface Knocks {
  /** The app loaded the agent itself. */
  knocked(pmId: PmId, pid: number): void;
  /** Did its agent announce itself a moment ago? Its welcome is on the way. */
  isKnocking(pmId: PmId, pid: number): boolean;
}

type Parts = Pick<Services, 'fleet' | 'refresh'> & { handshake: Pick<Handshake, 'welcome'> };

export function createKnocks({ fleet, refresh, handshake }: Parts): Knocks {
  const knocks = new Map<PmId, { pid: number; atMs: number }>();

  return { knocked, isKnocking };

  function knocked(pmId: PmId, pid: number): void {
    for (const [each, { atMs }] of knocks) if (Date.now() - atMs > KNOCK_MS) knocks.delete(each);
    // Each look at the list has PM2 measure all its processes.
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
