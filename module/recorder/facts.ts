// Gathers what is known of an exit: PM2's event, its lines, what the process left, and what the kernel counted.
import type { ExitReport } from '../../contract/exitReport.ts';
import type { OwnCall } from '../pm2/ownCalls.ts';
import type { ProcessEvent } from '../pm2/processEvent.ts';
import type { AgentSeen } from './agentsSeen.ts';
import type { ExitFacts } from './cause.ts';
import { type DaemonLogFile, heapWords } from './daemonLogFile.ts';
import type { Known } from './knownProcesses.ts';
import type { LeftBehind } from './leftBehind.ts';
import type { LifeSeen, Note } from './observations.ts';
import { type Exit, fatalThrown } from './record.ts';
import { traceIn } from './trace.ts';

/** PM2 counts its tries anew, and then asks the process to end; of a worker that has just begun it waits for the `online`. */
const RESET_BEFORE_MS = 2_000;
/** V8's words stand near the end of PM2's log when the process has ended. */
const HEAP_WORDS_WITHIN_BYTES = 64 * 1024;

/** An exit, with what was known when it happened. */
export interface Ended {
  id: string;
  event: ProcessEvent;
  life: Known | undefined;
  agent: AgentSeen;
  own: OwnCall | undefined;
  drained: ExitReport | undefined;
  oomKill?: string | undefined;
}

export interface FactSources {
  left: LeftBehind;
  daemonLog: DaemonLogFile;
  isScheduled(schedule: string, moment: number): boolean;
  /** The daemon is being killed. */
  isKilled: boolean;
  isGone: boolean;
  /** Another process has taken its place. */
  isReplaced: boolean;
  killedAfterMs: number | undefined;
}

export function factsOf(ended: Ended, seen: LifeSeen, sources: FactSources): Omit<Exit, 'followed'> {
  const { event, life, agent, drained } = ended;
  const { left, isKilled } = sources;
  const pid = life?.pid ?? 0;
  const said = last(seen.notes, 'exited');
  const isAsked = event.status === 'stopping';
  const words = pid > 0 ? left.lastWords(pid) : undefined;
  const report = pid > 0 ? left.heapReport(pid) : undefined;
  const pm2Signal = said?.signal;
  const thrown = fatalThrown(seen, event.at);
  const trace = traceIn(seen.stderr);
  const heapFull = report?.says ?? heapWordsOf(ended, pm2Signal, seen, sources.daemonLog);
  const facts: ExitFacts = {
    ...askedFacts(ended, seen, sources),
    isAsked,
    mode: event.mode,
    pm2Code: said?.code ?? event.code,
    ...(pm2Signal === undefined ? {} : { pm2Signal }),
    hadAgent: agent.isThere || words !== undefined,
    ...(words ? { words } : {}),
    ...(thrown ? { thrown } : {}),
    ...(trace ? { trace: trace.message } : {}),
    ...(drained ? { drainedOn: drained.on } : {}),
    ...(heapFull === undefined ? {} : { heapFull }),
    ...(ended.oomKill === undefined ? {} : { oomKill: ended.oomKill }),
    ...(isKilled ? { daemonEnded: { how: 'PM2 was being killed', isSure: true } } : {}),
  };
  return {
    id: ended.id,
    at: event.at,
    event,
    life,
    seen,
    facts,
    words,
    figures: pid > 0 ? left.figures(pid) : [],
    report: report?.file,
    drained,
    missing: missingIn(ended, sources, facts.hadAgent),
  };
}

function askedFacts({ event, own }: Ended, { notes, changed }: LifeSeen, sources: FactSources) {
  const stopping = last(notes, 'stopping');
  const memory = last(notes, 'memory-limit');
  const commands = notes.flatMap((note) => (note.is === 'command' ? [note.event] : []));
  const asksFrom = stopping?.at ?? event.at;
  const isReset =
    commands.includes('restart') ||
    (event.createdMs > event.startedAt &&
      (sources.isReplaced || Math.abs(asksFrom - event.createdMs) < RESET_BEFORE_MS));
  const { cronRestart } = event;
  return {
    pmId: event.pmId,
    isReset,
    isReloadAsRestart: notes.some(({ is }) => is === 'reload-as-restart'),
    ...(memory ? { memory: { currentBytes: memory.currentBytes, limitBytes: memory.limitBytes } } : {}),
    ...(changed ? { changedPath: changed.path } : {}),
    ...(cronRestart === undefined
      ? {}
      : { cron: { schedule: cronRestart, isDue: sources.isScheduled(cronRestart, event.createdMs) } }),
    commands,
    ...(own ? { own } : {}),
    isGone: sources.isGone,
    ...(sources.killedAfterMs === undefined ? {} : { killedAfterMs: sources.killedAfterMs }),
  };
}

/** In fork mode V8 writes to the app's stderr, in cluster mode to the daemon's. */
function heapWordsOf(
  { event, life }: Ended,
  signal: string | undefined,
  { stderr, stderrOfAll }: LifeSeen,
  daemonLog: DaemonLogFile,
): string | undefined {
  if (signal === undefined || signal === 'SIGINT' || signal === 'SIGKILL' || signal === 'SIGTERM') return undefined;
  // What comes through a pipe may come when the next process runs, but names the one that wrote it.
  if (event.mode === 'fork') return heapWords(stderr.join('\n')) ?? (life && heapWords(stderrOfAll, life.pid));
  return life && heapWords(daemonLog.since(Math.max(0, daemonLog.size() - HEAP_WORDS_WITHIN_BYTES)), life.pid);
}

function missingIn({ life, agent }: Ended, { left }: FactSources, hadAgent: boolean): string[] {
  if (!life) return ["pid, figures: it ended before the module had read PM2's list"];
  const why = left.whyNone(life.pid);
  if (why !== undefined) return [`last words, figures: ${why}`];
  return hadAgent ? [] : [`last words, figures: it had no agent (${agent.whyNot ?? 'it ended too early'})`];
}

function last<Is extends Note['is']>(notes: readonly Note[], is: Is): Extract<Note, { is: Is }> | undefined {
  return notes.findLast((note): note is Extract<Note, { is: Is }> => note.is === is);
}
