// Whose event loop does not turn? A process that writes figures says within which time the next ones come. If they do not come, the
// module looks at /proc: a process that waits for events, is stopped by a signal, or does not get the CPU, is not blocked.
import { idleness } from '../../shared/linux/idleness.ts';
import { mainThreadTimes } from '../../shared/linux/kernelView.ts';
import { readStat } from '../../shared/linux/proc.ts';

/** After a longer pause between two looks the module itself did not run: the host slept, or had no CPU for it. */
const LATE_LOOK_MS = 5_000;
/** So many looks in a row have to find it blocked. */
const FEWEST_LOOKS = 2;

/** What a process has said of itself. */
export interface Beat {
  /** When it took its last figures, by Date.now(). */
  at: number;
  /** The next ones follow within this time. */
  nextWithinMs: number;
}

/** What a look at a process has shown. */
export type Sight = 'turns' | 'blocked' | 'not-known';

export interface Standstill {
  /** A process is looked at once more. @returns for how long its event loop has not turned, if it is blocked */
  look(pid: number, beat: Beat | undefined, now: number): number | undefined;
  /** The module has asked a process that has no figures, and it has not answered for that time. */
  found(pid: number, blockedMs: number, now: number): void;
  /** Forgets processes that are gone. */
  keep(pids: ReadonlySet<number>): void;
}

interface Suspect {
  /** Since when it has not turned. */
  since: number;
  looks: number;
  lookedAt: number;
  /** How long its main thread had computed by the last look. */
  hadNs: number;
  /** Found by a question: there is no beat that could end it. */
  asked: boolean;
}

/** @param sight looks at a process; replaced in tests */
export function createStandstill(sight: (pid: number, hadNsBefore: number) => [Sight, number] = lookAt): Standstill {
  const suspects = new Map<number, Suspect>();

  return {
    look(pid, beat, now) {
      const before = suspects.get(pid);
      suspects.delete(pid);
      const known = before && now - before.lookedAt <= LATE_LOOK_MS ? before : undefined;
      const isLate = beat !== undefined && now > beat.at + beat.nextWithinMs;
      const asked = known?.asked === true && (beat === undefined || beat.at < known.since);
      if (!isLate && !asked) return undefined;
      const [seen, hadNs] = sight(pid, known?.hadNs ?? 0);
      if (seen !== 'blocked') return undefined;
      const since = known?.since ?? (isLate ? beat.at + beat.nextWithinMs : now);
      const looks = (known?.looks ?? 0) + 1;
      suspects.set(pid, { since, looks, lookedAt: now, hadNs, asked });
      return looks >= FEWEST_LOOKS ? now - since : undefined;
    },
    found(pid, blockedMs, now) {
      if (suspects.has(pid)) return;
      // The question was put to it after several looks.
      suspects.set(pid, { since: now - blockedMs, looks: FEWEST_LOOKS, lookedAt: now, hadNs: 0, asked: true });
    },
    keep(pids) {
      for (const pid of suspects.keys()) if (!pids.has(pid)) suspects.delete(pid);
    },
  };
}

/** @returns what /proc shows, and how long its main thread has computed since its start */
function lookAt(pid: number, hadNsBefore: number): [Sight, number] {
  const state = readStat(pid)?.state;
  const hadNs = mainThreadTimes(pid)?.hadNs ?? hadNsBefore + 1;
  if (state === undefined || /^[Tt]/.test(state)) return ['not-known', hadNs];
  if (idleness(pid).idle) return ['turns', hadNs];
  // A frozen process, and one that gets no CPU, computes nothing.
  if (state === 'R' && hadNs === hadNsBefore) return ['not-known', hadNs];
  return ['blocked', hadNs];
}
