// One module process acts for a daemon. pm2-runtime, for one, makes PM2 start a second one, which stands by.
import { NAME } from '../../contract/names.ts';
import type { Daemon } from './daemon.ts';
import type { ManagedProcess } from './managedProcess.ts';

/** Pause between two readings of PM2's list while it stands by; an event of PM2 ends the pause. */
const LOOK_EVERY_MS = 5_000;

/**
 * Waits until no older module process of this daemon runs.
 * @param onStandBy called once, with the module process that acts, if this one has to wait
 */
export async function becomeActive(daemon: Daemon, onStandBy: (active: ManagedProcess) => void): Promise<void> {
  let told = false;
  let wake = () => {};
  daemon.onProcessEvent(() => wake());
  for (;;) {
    const active = (await daemon.list()).find(isOlderModule);
    if (!active) return;
    if (!told) onStandBy(active);
    told = true;
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, LOOK_EVERY_MS);
    });
  }
}

function isOlderModule({ isModule, name, status, pmId, pid }: ManagedProcess): boolean {
  return (
    isModule && name === NAME && status === 'online' && pid !== process.pid && Number(pmId) < Number(process.env.pm_id)
  );
}
