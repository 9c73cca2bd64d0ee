// Reports the progress of an action of managed processes to the person who asked for it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ActionName } from '../../contract/actions/index.ts';
import { titleOf } from '../../contract/app.ts';
import type { RunProgress } from '../../contract/commandMessages.ts';
import type { ActionProgress } from '../../contract/progress.ts';
import type { Member } from '../fleet/fleet.ts';
import { writtenBytes } from '../state/writtenBytes.ts';

/** Pause between two looks at a file that grows. */
const LOOK_EVERY_MS = 250;

/** Reports the progress of one process. */
export type TellProgress = (
  member: Member,
  progress: ActionProgress,
  more?: { /** The reply, or another word, comes within this time. */ withinMs?: number; bytes?: number },
) => void;

/** @param send gets each progress, with the time since this call */
export function createTellProgress(action: ActionName, send: (progress: RunProgress) => void): TellProgress {
  const startedMs = performance.now();
  return ({ process: { pmId, name, namespace } }, { phase, detail }, { withinMs, bytes } = {}) => {
    const size = bytes === undefined ? '' : megabytes(bytes);
    send({
      action,
      id: pmId,
      name,
      phase,
      ...(detail === undefined ? {} : { detail }),
      ...(bytes === undefined ? {} : { bytes }),
      ...(withinMs === undefined ? {} : { deadlineMs: Math.ceil(withinMs) }),
      message: [`${titleOf({ namespace, name })}:${pmId}`, phase, size, detail ?? ''].filter(Boolean).join(' '),
      ms: Math.round(performance.now() - startedMs),
    });
  };
}

/** Watches an action in one process while it runs. */
export interface Watch {
  /** Takes a progress from the process. */
  heard(progress: ActionProgress): void;
  /** The last progress, in words. */
  last(): string;
  isOver(): boolean;
  stop(): void;
}

/**
 * Passes on the progress that a process reports. While V8 blocks the process, reports the growth of its file instead.
 * @param folder the module's own; only a file in it is looked at
 */
export function watchProgress(member: Member, tell: TellProgress, folder: string): Watch {
  let current: ActionProgress = { phase: 'asked' };
  let bytes: number | undefined;
  let over = false;
  void look();
  return {
    heard(progress) {
      current = progress;
      bytes = undefined;
      tell(member, progress);
    },
    last: () => [current.phase, bytes === undefined ? '' : megabytes(bytes)].filter(Boolean).join(' '),
    isOver: () => over,
    stop() {
      over = true;
    },
  };

  async function look(): Promise<void> {
    while (!over) {
      const { file } = current;
      const size = file ? await writtenBytes(member.process.pid, file, folder) : undefined;
      if (!over && size !== undefined && size !== bytes && current.file === file) {
        bytes = size;
        if (size > 0) tell(member, current, { bytes: size });
      }
      await sleep(LOOK_EVERY_MS, undefined, { ref: false });
    }
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}
