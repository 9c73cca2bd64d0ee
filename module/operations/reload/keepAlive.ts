// The keep-alive-off time: a client that has kept a connection open for longer than the server promised has no reason to use it
// again, so for that time the old instances answer without keep-alive before any of them is drained.
import { setTimeout as sleep } from 'node:timers/promises';
import type { PmId } from '../../../contract/pmId.ts';
import type { ReloadContext } from './context.ts';
import { AT_ONCE_MS, LOOK_EVERY_MS } from './timing.ts';

/** The keep-alive of the old instances. */
export interface KeepAlive {
  /** Turns keep-alive off and waits for the keep-alive-off time; does nothing where that is 0. */
  turnOff(): Promise<void>;
  /** Turns it on again where it was turned off. */
  giveBack(): Promise<void>;
}

/** Keep-alive is as the app has it. */
export function createKeepAlive({ parts, request, old, lines, interruption }: ReloadContext): KeepAlive {
  let without: PmId[] = [];
  const runAll = (action: 'disable-keepalive' | 'enable-keepalive') =>
    Promise.all(without.map((pmId) => parts.calls.run(pmId, action, {}, AT_ONCE_MS)));
  return {
    async turnOff() {
      const offMs = request.patient;
      if (offMs === 0) return;
      without = old.map(({ pmId }) => pmId);
      await runAll('disable-keepalive');
      lines.progress('patient', `keep-alive is off for ${offMs} ms before anything is drained`);
      const endsMs = performance.now() + offMs;
      while (performance.now() < endsMs) {
        interruption.checkpoint();
        await sleep(Math.min(LOOK_EVERY_MS, Math.max(1, endsMs - performance.now())));
      }
    },
    async giveBack() {
      await runAll('enable-keepalive');
    },
  };
}
