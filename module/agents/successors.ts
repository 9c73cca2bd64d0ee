// PM2's own reloads: an agent hears that PM2 has started the successor of its process, and that a signal comes next.
import { appOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import { isRunning } from '../../shared/linux/running.ts';
import { isAttached, isOpen } from '../fleet/attachment.ts';
import type { Member } from '../fleet/fleet.ts';
import type { ReloadsOfPm2 } from '../pm2/reloadsOfPm2.ts';
import type { AttachLoop } from './attachLoop.ts';
import type { Services } from './services.ts';

export interface Successors {
  /** A process came online under an id, started so many times before: a reload has begun if its predecessor still runs. */
  succeeded(pmId: PmId, restarts: number): void;
  /** PM2 does not list these any more; those that still run are being replaced. */
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
      // Its successor may be listed already; then it is `replaced`.
      if (old && old.process.restarts < restarts) replace(old);
    },
    replaced(members) {
      for (const member of members) replace(member);
    },
  };

  function replace(member: Member): void {
    const { pmId, pid } = member.process;
    if (pid <= 0 || !isRunning(pid) || !reloads.leaves(appOf(member.process), pid)) return;
    // PM2 keeps it under this id until its successor listens (lib/God/Reload.js).
    if (isAttached(member)) daemon.send(`_old_${pmId}`, { kind: 'successor' }).catch(() => {});
    // Its agent had to wait for the end of the last reload: there is time for one try, while its successor starts.
    else if (isOpen(member)) attachLoop.look([member]);
  }
}
