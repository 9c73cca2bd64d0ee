// Reads the newest figures of every attached process from its ring file, and emits each sample once.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FIGURES_FOLDER, type FigureSample, figuresName } from '../../contract/figures.ts';
import { LAST_WORDS_FOLDER, type LastWords, lastWordsName } from '../../contract/lastWords.ts';
import { readStat } from '../../shared/linux/proc.ts';
import { type Events, type Subject, subjectOf } from '../events/events.ts';
import { isAttached } from '../fleet/attachment.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { uidOf } from '../state/state.ts';
import { readLastWords } from './lastWords.ts';
import { readRing } from './ring.ts';

/** How often it looks whether a sample is due. A process takes one every second or every five. */
const LOOK_EVERY_MS = 2_000;

export interface Figures {
  /** The samples of a process, oldest first, also after its end; empty when there are none. */
  history(pid: number): FigureSample[];
  /** The newest sample that was read. */
  newest(pid: number): FigureSample | undefined;
  /** How long the next sample is overdue: a process is blocked, or stopped, for that long. undefined without figures. */
  overdueMs(pid: number): number | undefined;
  /** The age of the newest sample: five seconds are usual where nothing happens. undefined without figures. */
  heartbeatAgeMs(pid: number): number | undefined;
  /** What a process that has ended said at last. */
  lastWords(pid: number): LastWords | undefined;
  /** Why a process has no figures and no last words, for a person; undefined when it may have some. */
  whyNone(pid: number): string | undefined;
  /** Removes what a process that has ended has left. */
  discard(pid: number): void;
  close(): void;
}

interface Watched {
  /** Clock ticks since boot. */
  startTicks: number;
  /** The user that it runs as, where that is another one than ours. */
  otherUid?: number;
  newest?: FigureSample;
}

/** @param stateFolder where processes of our own user write */
export function createFigures({
  fleet,
  events,
  stateFolder,
}: {
  fleet: Pick<Fleet, 'members'>;
  events: Events;
  stateFolder: string;
}): Figures {
  /** By pid; also those that have ended, until another process has the pid. */
  const watched = new Map<number, Watched>();
  const folder = join(stateFolder, FIGURES_FOLDER);
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  // Before its end, which makes it impossible to find out when it began.
  const forget = events.on('attached', ({ process }) => void watch(process.pid));
  const forgetExited = events.on('exited', ({ process }) => {
    const known = watched.get(process.pid);
    if (known !== undefined) readNew(process, known);
    forgetOldest();
  });

  return {
    history: (pid) => {
      const file = fileOf(pid);
      return file === undefined ? [] : readRing(file);
    },
    newest: (pid) => watched.get(pid)?.newest,
    overdueMs(pid) {
      const newest = watched.get(pid)?.newest;
      return newest && Math.max(0, Date.now() - newest.at - newest.nextWithinMs);
    },
    heartbeatAgeMs(pid) {
      const newest = watched.get(pid)?.newest;
      return newest && Math.max(0, Date.now() - newest.at);
    },
    lastWords(pid) {
      const startTicks = startOf(pid);
      return startTicks === undefined ? undefined : readLastWords(stateFolder, pid, startTicks);
    },
    whyNone(pid) {
      const uid = watched.get(pid)?.otherUid;
      return uid === undefined ? undefined : `it runs as user ${uid}, whose files the module does not open`;
    },
    discard(pid) {
      const startTicks = startOf(pid);
      if (startTicks === undefined) return;
      rmSync(join(folder, figuresName(pid, startTicks)), { force: true });
      rmSync(join(stateFolder, LAST_WORDS_FOLDER, lastWordsName(pid, startTicks)), { force: true });
      watched.delete(pid);
    },
    close() {
      clearInterval(timer);
      forget();
      forgetExited();
    },
  };

  function look(): void {
    for (const member of fleet.members()) {
      if (!isAttached(member)) continue;
      const { process } = member;
      const known = watched.get(process.pid) ?? watch(process.pid);
      if (known !== undefined && isDue(known)) readNew(subjectOf(process), known);
    }
  }

  function watch(pid: number): Watched | undefined {
    const startTicks = readStat(pid)?.startTime;
    if (startTicks === undefined) return undefined;
    const before = watched.get(pid);
    if (before?.startTicks === startTicks) return before;
    const uid = uidOf(pid);
    const known: Watched = { startTicks, ...(uid === process.geteuid?.() ? {} : { otherUid: uid }) };
    watched.delete(pid);
    watched.set(pid, known);
    return known;
  }

  function readNew(subject: Subject, known: Watched): void {
    if (known.otherUid !== undefined) return;
    for (const sample of readRing(join(folder, figuresName(subject.pid, known.startTicks)), known.newest?.at)) {
      const before = known.newest;
      known.newest = sample;
      events.emit('figures', { process: subject, sample, before });
    }
  }

  function fileOf(pid: number): string | undefined {
    const startTicks = startOf(pid);
    return startTicks === undefined ? undefined : join(folder, figuresName(pid, startTicks));
  }

  /** When a process began; of one that the module has not seen, its files tell. */
  function startOf(pid: number): number | undefined {
    const known = watched.get(pid);
    if (known !== undefined) return known.otherUid === undefined ? known.startTicks : undefined;
    return Math.max(...startsOf(pid, folder), ...startsOf(pid, join(stateFolder, LAST_WORDS_FOLDER))) || undefined;
  }

  /** Ended processes whose record nobody has discarded. */
  function forgetOldest(): void {
    const alive = new Set(fleet.members().map(({ process }) => process.pid));
    for (const pid of watched.keys()) {
      if (watched.size <= alive.size + MOST_ENDED) return;
      if (!alive.has(pid)) watched.delete(pid);
    }
  }
}

const MOST_ENDED = 100;

function isDue({ newest }: Watched): boolean {
  return newest === undefined || Date.now() >= newest.at + newest.nextWithinMs;
}

/** The starts in the names of a process's files; 0 among them, so that there is one. */
function startsOf(pid: number, folder: string): number[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // No process has written there yet.
  }
  const own = new RegExp(`^${pid}-(\\d+)\\.(ring|json)$`);
  return [0, ...names.map((name) => Number(own.exec(name)?.[1] ?? 0))];
}
