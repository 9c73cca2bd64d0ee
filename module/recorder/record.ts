// Makes the record of an exit out of what was seen, what the process left, and what was found.

import type { ExitReport } from '../../contract/exitReport.ts';
import type { ExitException, ExitRecord, Followed } from '../../contract/exits.ts';
import type { LastWords } from '../../contract/lastWords.ts';
import type { ProcessEvent } from '../pm2/processEvent.ts';
import { causeOf, type ExitFacts, type Finding } from './cause.ts';
import type { Known } from './knownProcesses.ts';
import type { LifeSeen } from './observations.ts';
import { stackLines } from './stackLines.ts';
import { traceIn } from './trace.ts';

/** Of each stream. */
const MOST_LINES = 20;
/** An exception that PM2 was told of ends a process within this time. */
const ENDS_WITHIN_MS = 1_000;

/** All that a record is made of. */
export interface Exit {
  id: string;
  at: number;
  event: ProcessEvent;
  life: Known | undefined;
  seen: LifeSeen;
  facts: ExitFacts;
  words: LastWords | undefined;
  figures: ExitRecord['figures'];
  report: string | undefined;
  drained: ExitReport | undefined;
  missing: string[];
  followed: Followed | undefined;
}

/** @param inFull with lines, figures and source maps; in a crash loop, records come without */
export async function recordOf(exit: Exit, inFull: boolean): Promise<ExitRecord> {
  const { at, stack } = await stackLines(stackOf(exit), exit.event.cwd, inFull && exit.life?.isOwnUser === true);
  return assembled(exit, inFull, stack, at);
}

/** The same at once, with the stack as it is, and without what followed. */
export function provisionalRecordOf(exit: Exit): ExitRecord {
  // A stop and a delete look the same until PM2's list is read.
  return assembled({ ...exit, followed: undefined }, false, stackOf(exit).split('\n').slice(0, MOST_LINES), undefined);
}

function assembled(exit: Exit, inFull: boolean, stack: string[], at: string | undefined): ExitRecord {
  const { event, life, seen, facts, words, drained } = exit;
  const found = causeOf(facts);
  const thrown = thrownIn(exit);
  const exception: ExitException | undefined = thrown && {
    message: thrown.message,
    stack: stack.filter((line) => line !== ''),
    ...(at === undefined ? {} : { at }),
  };
  const isCalled = found.cause === 'exit-call' && words?.exitStack !== undefined;
  const rejections = words?.unhandledRejections || seen.thrown.filter(({ isRejection }) => isRejection).length;
  return {
    id: exit.id,
    at: exit.at,
    pmId: event.pmId,
    name: event.name,
    namespace: event.namespace,
    mode: event.mode,
    pid: life?.pid ?? 0,
    startedAt: event.startedAt,
    uptimeMs: Math.max(0, exit.at - event.startedAt),
    restarts: event.restarts,
    ...found,
    headline: headlineOf(found, at),
    evidence: isCalled && at !== undefined ? [...found.evidence, `process.exit was called at ${at}`] : found.evidence,
    ...(facts.pm2Signal === undefined || facts.pm2Code === undefined
      ? {}
      : { pm2Said: { code: facts.pm2Code, signal: facts.pm2Signal } }),
    ...(exception ? { exception } : {}),
    ...(rejections > 0 ? { unhandledRejections: rejections } : {}),
    ...(drained ? { requests: { finished: drained.finished, cut: drained.cut } } : {}),
    stdout: inFull ? seen.stdout.slice(-MOST_LINES) : [],
    stderr: inFull ? seen.stderr.slice(-MOST_LINES) : [],
    figures: inFull ? exit.figures : [],
    ...(event.deploy ? { deploy: event.deploy } : {}),
    ...(exit.report === undefined ? {} : { report: exit.report }),
    missing: exit.missing,
    ...(exit.followed ? { followed: exit.followed } : {}),
  };
}

/** The place belongs to the exception that ended the process, or to the call of `process.exit`. */
function headlineOf({ cause, headline }: Finding, at: string | undefined): string {
  return at !== undefined && (cause === 'uncaught-exception' || cause === 'exit-call')
    ? `${headline} at ${at}`
    : headline;
}

/** Of the exception that is recorded, or of the call of `process.exit`. */
function stackOf(exit: Exit): string {
  return thrownIn(exit)?.stack ?? exit.words?.exitStack ?? '';
}

interface Thrown {
  message: string;
  stack: string;
}

/** The exception that ended the process: its own words tell it best. */
function thrownIn({ words, seen, at }: Pick<Exit, 'words' | 'seen' | 'at'>): Thrown | undefined {
  if (words?.exception?.fatal) {
    const { name, message, stack } = words.exception;
    return { message: message.startsWith(name) ? message : `${name}: ${message}`, stack };
  }
  const last = fatalThrown(seen, at);
  if (last) return { message: firstLine(last.stack) || last.message, stack: last.stack };
  return traceIn(seen.stderr);
}

/** An exception that PM2 was told of right before the end. */
export function fatalThrown(seen: LifeSeen, endedAt: number): { message: string; stack: string } | undefined {
  const last = seen.thrown.findLast(({ isRejection, at }) => !isRejection && at >= endedAt - ENDS_WITHIN_MS);
  return last && { message: firstLine(last.stack) || last.message, stack: last.stack };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
