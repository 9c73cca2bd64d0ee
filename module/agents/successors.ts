// During PM2's own reload, tells an agent that PM2 has started the successor of its process and will soon send the signal.
import { appOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import { isRunning } from '../../shared/linux/running.ts';
import { isAttached, isOpen } from '../fleet/attachment.ts';
import type { Member } from '../fleet/fleet.ts';
import type { ReloadsOfPm2 } from '../pm2/reloadsOfPm2.ts';
import type { AttachLoop } from './attachLoop.ts';
import type { Services } from './services.ts';

export interface Successors {
  /** A process is online under this id. If its predecessor still runs, a reload has begun. `restarts` is PM2's count for it. */
  succeeded(pmId: PmId, restarts: number): void;
  /** PM2 lists these no longer. PM2 replaces those that still run. */
  replaced(members: readonly Member[]): void;
}

type Parts = Pick<Services, 'daemon' | 'fleet'> & {
  reloads: Pick<ReloadsOfPm2, 'leaves'>;
  attachLoop: Pick<AttachLoop, 'look'>;
};

export function createSuccessors({ daemon, fleet, reloads, attachLoop }: Parts): Successors {
  return {
    succeeded(pmId, restarts) {
      const old = fleet.get(pmId);
      // If the list has the successor already, `replaced` handles the old process.
      if (old && old.process.restarts < restarts) replace(old);
    },
    replaced(members) {
      for (const member of members) replace(member);
    },
  };

  function replace(member: Member): void {
    const { pmId, pid } = member.process;
    if (pid <= 0 || !isRunning(pid) || !reloads.leaves(appOf(member.process), pid)) return;
    // PM2 keeps the old process under this id until its successor listens (lib/God/Reload.js).
    if (isAttached(member)) daemon.send(`_old_${pmId}`, { kind: 'successor' }).catch(() => {});
    // The last reload has delayed its attach. There is time for one try while its successor starts.
    else if (isOpen(member)) attachLoop.look([member]);
  }
}
