// Records every exit of a managed process: at once what is known, completed when PM2 has said the rest, and once more when it is known
// what followed.
import type { ExitReport } from '../../contract/exitReport.ts';
import type { ExitRecord, Followed } from '../../contract/exits.ts';
import { isParkedId, type PmId, slotOf } from '../../contract/pmId.ts';
import type { Events } from '../events/events.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Daemon } from '../pm2/daemon.ts';
import type { OwnCalls } from '../pm2/ownCalls.ts';
import type { ProcessEvent } from '../pm2/processEvent.ts';
import { createAgentsSeen } from './agentsSeen.ts';
import { asDaemonsEnd } from './asDaemonsEnd.ts';
import { createBudget } from './budget.ts';
import { readDaemonLine } from './daemonLog.ts';
import type { DaemonLogFile } from './daemonLogFile.ts';
import { type Ended, factsOf } from './facts.ts';
import { followedBy } from './followed.ts';
import { createKnownProcesses, readKept } from './knownProcesses.ts';
import type { LeftBehind } from './leftBehind.ts';
import { createObservations } from './observations.ts';
import { watchOutOfMemory } from './outOfMemory.ts';
import { provisionalRecordOf, recordOf } from './record.ts';
import type { ExitStore } from './store.ts';
import { bounded } from './storedRecord.ts';
import { recordUnwatched } from './unwatched.ts';

/** A command says what it did after PM2 has done it, and lines come later than the exit. */
const COMPLETE_AFTER_MS = 1_000;
/** Of each stream: V8 prints a native stack below its words about a full heap. */
const LOOKED_AT_LINES = 200;
/** A restart loop must not have the file of who lives written all the time. */
const KEEP_AFTER_MS = 500;
/** PM2 reports an exit that it was asked for twice. */
const MOST_REMEMBERED = 2_000;
/** When PM2 is killed, it first deletes what it runs: for so long, a delete may have been the beginning of that. */
const LATELY_MS = 60_000;

export interface Recorder {
  /** Records who has ended while no module watched. To be called when PM2's list has been read. */
  recover(): Promise<void>;
  /** Records at once what is not recorded yet: the module ends. */
  close(): void;
}

export interface RecorderParts {
  daemon: Pick<Daemon, 'onProcess' | 'onLog' | 'onException' | 'onKill'>;
  fleet: Fleet;
  events: Events;
  own: Pick<OwnCalls, 'at'>;
  store: Pick<ExitStore, 'put' | 'read'>;
  left: LeftBehind;
  isScheduled(schedule: string, moment: number): boolean;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  /** The state folder. */
  folder: string;
  daemonLog: DaemonLogFile;
  log(line: string): void;
}

export function createRecorder(parts: RecorderParts): Recorder {
  const { daemon, fleet, events, own, store, left, isScheduled, refresh, folder, daemonLog, log } = parts;
  const before = readKept(folder);
  const observations = createObservations(LOOKED_AT_LINES);
  const known = createKnownProcesses(folder);
  const outOfMemory = watchOutOfMemory();
  const agents = createAgentsSeen(events, fleet);
  const budget = createBudget();
  const reports = new Map<number, ExitReport>();
  const remembered = new Set<string>();
  /** Exits whose record is not complete, by id, and those of which it is not known what followed, by slot. */
  const open = new Map<string, { ended: Ended; timer: NodeJS.Timeout }>();
  const unfollowed = new Map<PmId, { ended: Ended; record: ExitRecord }>();
  const deletedLately = new Map<string, ExitRecord>();
  let isKilled = false;
  let keeps: NodeJS.Timeout | undefined;

  daemon.onLog('PM2', (_pmId, text, at) => {
    for (const line of text.split('\n')) {
      const read = readDaemonLine(line);
      if (read) observations.sawLine(read, at);
    }
  });
  const ownId = process.env.pm_id;
  for (const [stream, kept] of [
    ['out', 'stdout'],
    ['err', 'stderr'],
  ] as const)
    daemon.onLog(stream, (pmId, text, at) => {
      if (String(pmId) !== ownId) observations.wrote(pmId, kept, text, at);
    });
  daemon.onException((pmId, thrown, at) => observations.threw(pmId, thrown, at));
  daemon.onProcess((event) => {
    if (event.isModule || String(event.pmId) === ownId) return;
    if (event.isManual) observations.sawCommand(event.pmId, event.event, event.at);
    else if (event.event === 'exit') exited(event);
    else if (event.event === 'restart overlimit') observations.gaveUp(event.pmId, event.unstableRestarts, event.at);
    else if (event.event === 'online') started(slotOf(event.pmId));
  });
  daemon.onKill(() => {
    isKilled = true;
    for (const record of deletedLately.values()) store.put(asDaemonsEnd(record, 'PM2 was killed right after it'));
  });
  events.on('exit-report', ({ process: { pid }, report }) => void reports.set(pid, report));
  events.on('attached', ({ process: { pid } }) => outOfMemory.learn(pid));
  events.on('listed', () => {
    for (const life of known.learn(fleet.members())) outOfMemory.learn(life.pid);
    outOfMemory.look();
    for (const slot of unfollowed.keys()) started(slot);
    keepSoon();
  });

  return {
    async recover() {
      await recordUnwatched({ before, fleet, store, left, daemonLog, publish, log });
      keep();
    },
    close() {
      for (const { ended, timer } of open.values()) {
        clearTimeout(timer);
        store.put(provisionalRecordOf(exitOf(ended)));
      }
      open.clear();
      keep();
    },
  };

  function exited(event: ProcessEvent): void {
    const key = `${slotOf(event.pmId)} ${event.startedAt}`;
    if (remembered.has(key)) return;
    remember(key);
    const life = known.find(event.pmId, event.startedAt);
    const pid = life?.pid ?? 0;
    const ended: Ended = {
      id: `${event.at}-${slotOf(event.pmId)}-${pid}`,
      event,
      life,
      agent: agents.of(pid),
      own: own.at(event.pmId, event.at),
      drained: reports.get(pid),
    };
    reports.delete(pid);
    const { isAsked, pm2Signal } = exitOf(ended).facts;
    if (pm2Signal === 'SIGKILL' && !isAsked) ended.oomKill = outOfMemory.claim(pid);
    outOfMemory.forget(pid);
    if (life) known.ended(life);
    if (budget.isForMore()) store.put(provisionalRecordOf(exitOf(ended)));
    const timer = setTimeout(() => void complete(ended), COMPLETE_AFTER_MS);
    open.set(ended.id, { ended, timer });
  }

  async function complete(ended: Ended): Promise<void> {
    try {
      // A stop and a delete look the same but for PM2's list, and PM2 takes its time for that.
      if (ended.event.status === 'stopping') await refresh();
      const exit = exitOf(ended);
      const record = await recordOf(exit, budget.take());
      // The module may have ended meanwhile.
      if (!open.delete(ended.id)) return;
      const { event, life } = ended;
      const isWithin = record.asked ?? record.cause;
      if (isWithin === 'delete' || isWithin === 'stop') deletedNow(record);
      publish(record);
      if (life) left.discard(life.pid);
      agents.forget(record.pid);
      if (record.followed === undefined && record.cause !== 'daemon-ended')
        unfollowed.set(slotOf(event.pmId), { ended, record });
      if (fleet.get(slotOf(event.pmId)) === undefined) observations.forget(slotOf(event.pmId));
      keepSoon();
    } catch (error) {
      open.delete(ended.id);
      log(`the exit of ${ended.event.name} could not be recorded: ${(error as Error).message}`);
    }
  }

  function exitOf(ended: Ended) {
    const { event } = ended;
    const seen = observations.of({
      pmId: event.pmId,
      name: event.name,
      startedAt: event.startedAt,
      endedAt: event.at,
    });
    const exit = factsOf(ended, seen, {
      left,
      daemonLog,
      isScheduled,
      isKilled,
      isGone: !isParkedId(event.pmId) && fleet.get(event.pmId) === undefined,
      isReplaced: startedAfter(event) !== undefined,
      killedAfterMs: ended.life && observations.killedAfterMs(ended.life.pid, event.startedAt),
    });
    return { ...exit, followed: followedBy(exit, startedAfter(event)) };
  }

  /** The process that has taken the place of another one. */
  function startedAfter({ pmId, startedAt, at }: ProcessEvent): Followed | undefined {
    const next = known.living().find((each) => each.pmId === slotOf(pmId) && each.startedAt > startedAt);
    return next && { is: 'started', pid: next.pid, afterMs: Math.max(0, next.startedAt - at) };
  }

  function started(slot: PmId): void {
    const waiting = unfollowed.get(slot);
    if (!waiting) return;
    const isListed = fleet.get(slot) !== undefined;
    const followed = startedAfter(waiting.ended.event) ?? (isListed ? undefined : { is: 'deleted' as const });
    if (!followed) return;
    unfollowed.delete(slot);
    publish({ ...waiting.record, followed });
    if (!isListed) observations.forget(slot);
  }

  function publish(record: ExitRecord): void {
    const safe = bounded(record);
    store.put(safe);
    events.emit('exit-recorded', { record: safe });
  }

  function deletedNow(record: ExitRecord): void {
    deletedLately.set(record.id, record);
    for (const [id, { at }] of deletedLately) if (Date.now() - at > LATELY_MS) deletedLately.delete(id);
  }

  function remember(key: string): void {
    remembered.add(key);
    for (const oldest of remembered) {
      if (remembered.size <= MOST_REMEMBERED) return;
      remembered.delete(oldest);
    }
  }

  function keepSoon(): void {
    keeps ??= setTimeout(keep, KEEP_AFTER_MS);
    keeps.unref();
  }

  function keep(): void {
    clearTimeout(keeps);
    keeps = undefined;
    known.keep(daemonLog.size(), [...deletedLately.keys()]);
  }
}
