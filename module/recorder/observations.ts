// What was seen of each process on PM2's bus, with when. An exit asks for what belongs to the life that has ended. All of it is
// bounded for each process, so that none can fill the module's memory.
import { type PmId, slotOf } from '../../contract/pmId.ts';
import type { DaemonLine } from './daemonLog.ts';
import { WrittenLines } from './writtenLines.ts';

/** A process cannot have written anything so soon after its start: what comes then is of the one before. */
const FIRST_WRITES_AFTER_MS = 20;
/** Kept of each process. */
const MOST_NOTES = 60;
/** Kept of all together: changed files, kills, processes. */
const MOST_KEYS = 2_000;
/** Characters of an exception's message, and of its stack. */
const LONGEST = { message: 2_000, stack: 8_000 };

/** What happened to a process, or was done to it by a command. */
export type Noted =
  | Exclude<DaemonLine, { is: 'changed' | 'killed' }>
  | { is: 'command'; event: string }
  /** PM2 gives up starting it. */
  | { is: 'gave-up'; restarts: number };
export type Note = Noted & { at: number; pmId: PmId };

export interface Thrown {
  message: string;
  stack: string;
  at: number;
  /** PM2 has caught a rejection, and the process goes on. */
  isRejection: boolean;
}

/** What was seen of one life of a process. */
export interface LifeSeen {
  notes: Note[];
  /** The file under `watch` that changed last. */
  changed?: { path: string; at: number };
  thrown: Thrown[];
  stdout: string[];
  stderr: string[];
  /** All that is kept of stderr under its id, that of the next life included: for what names the process that wrote it. */
  stderrOfAll: string;
}

export interface Life {
  pmId: PmId;
  name: string;
  startedAt: number;
  endedAt: number;
}

export interface Observations {
  sawLine(line: DaemonLine, at: number): void;
  sawCommand(pmId: PmId, event: string, at: number): void;
  gaveUp(pmId: PmId, restarts: number, at: number): void;
  wrote(pmId: PmId, stream: 'stdout' | 'stderr', text: string, at: number): void;
  threw(pmId: PmId, thrown: unknown, at: number): void;
  of(life: Life): LifeSeen;
  /** `kill_timeout` of that process was over. @returns after how long */
  killedAfterMs(pid: number, since: number): number | undefined;
  /** PM2 lists no process under this id any more. */
  forget(pmId: PmId): void;
}

interface Written {
  stdout: WrittenLines;
  stderr: WrittenLines;
  thrown: Thrown[];
}

/** @param mostLines kept of each stream */
export function createObservations(mostLines: number): Observations {
  const notes = new Map<PmId, Note[]>();
  const written = new Map<PmId, Written>();
  const changes = new Map<string, { path: string; at: number }>();
  const kills = new Map<number, { at: number; afterMs: number }>();

  return {
    sawLine(line, at) {
      if (line.is === 'changed') put(changes, line.name, { path: line.path, at });
      else if (line.is === 'killed') put(kills, line.pid, { at, afterMs: line.afterMs });
      else note({ ...line, at });
    },
    sawCommand: (pmId, event, at) => note({ is: 'command', event, pmId, at }),
    gaveUp: (pmId, restarts, at) => note({ is: 'gave-up', restarts, pmId, at }),
    wrote: (pmId, stream, text, at) => writtenOf(pmId)[stream].add(text, at),
    threw(pmId, thrown, at) {
      const { stderr, thrown: all } = writtenOf(pmId);
      const { message, stack } = (thrown ?? {}) as Record<string, unknown>;
      all.push({
        message: textOf(message).slice(0, LONGEST.message),
        stack: textOf(stack).slice(0, LONGEST.stack),
        at,
        // PM2 says so just before (lib/ProcessContainer.js), and in no other way.
        isRejection: /You have triggered an unhandledRejection/.test(stderr.lastBefore(at)),
      });
      if (all.length > MOST_NOTES) all.splice(0, all.length - MOST_NOTES);
    },
    of,
    killedAfterMs(pid, since) {
      const kill = kills.get(pid);
      return kill && kill.at >= since ? kill.afterMs : undefined;
    },
    forget(pmId) {
      for (const id of [pmId, `_old_${pmId}`]) written.delete(id);
      notes.delete(slotOf(pmId));
    },
  };

  function of({ pmId, name, startedAt, endedAt }: Life): LifeSeen {
    const all = notes.get(slotOf(pmId)) ?? [];
    const isParked = pmId !== slotOf(pmId);
    const isFirst = !all.some(({ is, at }) => is === 'exited' && at <= startedAt);
    const from = isFirst ? startedAt : startedAt + FIRST_WRITES_AFTER_MS;
    const next = all.find(({ is, at }) =>
      is !== 'starting' ? false : isParked ? at > startedAt + FIRST_WRITES_AFTER_MS : at >= endedAt,
    );
    const until = next === undefined ? Number.POSITIVE_INFINITY : next.at + FIRST_WRITES_AFTER_MS;
    const own = [
      [written.get(slotOf(pmId)), until],
      [isParked ? written.get(pmId) : undefined, Number.POSITIVE_INFINITY],
    ] as const;
    const lines = (stream: 'stdout' | 'stderr') =>
      own.flatMap(([each, before]) => each?.[stream].lines(from, before, mostLines) ?? []).slice(-mostLines);
    const changed = changes.get(name);
    return {
      notes: all.filter((each) => each.at >= startedAt - 1 && isOf(each, isParked, endedAt, next?.at)),
      ...(changed && changed.at >= startedAt ? { changed } : {}),
      thrown: own.flatMap(([each, before]) => each?.thrown.filter(({ at }) => at >= from && at < before) ?? []),
      stdout: lines('stdout'),
      stderr: lines('stderr'),
      stderrOfAll: own.map(([each]) => each?.stderr.text() ?? '').join(''),
    };
  }

  function note(given: Note): void {
    const slot = slotOf(given.pmId);
    const all = notes.get(slot) ?? [];
    all.push(given);
    if (all.length > MOST_NOTES) all.splice(0, all.length - MOST_NOTES);
    put(notes, slot, all);
  }

  function writtenOf(pmId: PmId): Written {
    const known = written.get(pmId);
    if (known) return known;
    const fresh = { stdout: new WrittenLines(), stderr: new WrittenLines(), thrown: [] };
    put(written, pmId, fresh);
    return fresh;
  }
}

/** Does a note belong to a life, or to the one that follows under the same id? */
function isOf({ pmId, at, is }: Note, isParked: boolean, endedAt: number, nextAt = Number.POSITIVE_INFINITY): boolean {
  // A command says what it did when it is done, and the next process runs.
  if (is === 'command') return at >= endedAt;
  return pmId === slotOf(pmId) ? at < nextAt : isParked;
}

function put<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= MOST_KEYS) return;
    map.delete(oldest);
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
