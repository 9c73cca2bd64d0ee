// The record of an exit: why a process ended, with the evidence, and what followed.
import type { FigureSample } from './figures.ts';
import type { PmId } from './pmId.ts';

/**
 * Why a process ended, by a name for scripts. The names never change their meaning.
 *
 * A process ended by itself, by somebody outside PM2, or by PM2, which was asked to or decided it.
 */
export const CAUSES = [
  /** An exception that nothing caught, also a rejection where the app has Node throw it. */
  'uncaught-exception',
  /** The app called `process.exit`, or set `process.exitCode` and had nothing left to do. */
  'exit-call',
  /** Nothing was left to do: no server, no timer, no open handle. */
  'ran-dry',
  /** A signal from outside PM2: `kill`, `pm2 sendSignal`, another program. */
  'signal',
  /** The kernel killed it, because the host or a cgroup had no memory left. Only ever `probable`. */
  'kernel-out-of-memory',
  /** V8 could not make its heap any larger. */
  'heap-out-of-memory',
  /** PM2 asked it to end, and killed it when `kill_timeout` was over. `asked` says for what. */
  'kill-timeout',
  /** PM2's `max_memory_restart`. */
  'memory-limit',
  /** PM2's `cron_restart`. */
  'cron',
  /** PM2's `watch`: a file changed. */
  'watch',
  'restart',
  'reload',
  'stop',
  'delete',
  /** The PM2 daemon ended, and its processes with it. */
  'daemon-ended',
  /** What was seen does not tell. */
  'unknown',
] as const;

export type Cause = (typeof CAUSES)[number];

/** Causes by which PM2 ended a process because it was asked to, or because of its own configuration. */
export type AskedCause = Extract<
  Cause,
  'memory-limit' | 'cron' | 'watch' | 'restart' | 'reload' | 'stop' | 'delete' | 'daemon-ended'
>;

/** Who ended it. PM2 does not say who typed a command, so that can only be somebody. */
export type EndedBy =
  /** The process itself. */
  | { who: 'itself' }
  /** PM2, by the app's configuration: memory limit, cron, watch. */
  | { who: 'pm2' }
  /** We did; `what` is `reload`, `heapdump scale=true`, a rule's name, … */
  | { who: 'pm2-ops'; what: string }
  /** A person or a program, with the command line or the API of PM2. */
  | { who: 'somebody' }
  /** Somebody or something outside PM2: `kill`, the kernel. */
  | { who: 'outside' }
  | { who: 'unknown' };

/** What PM2 did next. */
export type Followed =
  /** A process took its place. */
  | { is: 'started'; pid: number; afterMs: number }
  /** PM2 starts it again after this pause (`restart_delay`, `exp_backoff_restart_delay`). */
  | { is: 'backoff'; delayMs: number }
  /** PM2 gave up after too many restarts in a row. */
  | { is: 'gave-up'; restarts: number }
  /** Its code is one of `stop_exit_codes`, so PM2 left it stopped. */
  | { is: 'stop-exit-code'; code: number }
  /** `autorestart` is off, so PM2 left it stopped. */
  | { is: 'no-autorestart' }
  | { is: 'stopped' }
  | { is: 'deleted' };

export interface ExitException {
  /** `TypeError: x is not a function`, without secrets. */
  message: string;
  /** Its stack, by source maps where there are any, without secrets. */
  stack: string[];
  /** The app's first own line of it: `src/pay.ts:12:3`. */
  at?: string;
}

export interface ExitRecord {
  /** Unique on this host, and rising with time. */
  id: string;
  /** When it ended, in milliseconds of Date.now(). */
  at: number;
  pmId: PmId;
  name: string;
  namespace: string;
  mode: 'cluster' | 'fork';
  pid: number;
  startedAt: number;
  uptimeMs: number;
  /** PM2's count before this exit. */
  restarts: number;

  cause: Cause;
  /** `probable`: the evidence fits, and another cause would look the same. */
  certainty: 'sure' | 'probable';
  /** With `kill-timeout`: what PM2 was doing. */
  asked?: AskedCause;
  by: EndedBy;
  /** All of this as one line for a person: `uncaught TypeError: x is not a function at src/pay.ts:12`. */
  headline: string;
  /** What tells the cause, in lines for a person. */
  evidence: string[];
  /** The true exit code and signal; null where it had none, or where nothing tells. */
  code: number | null;
  signal: string | null;
  /** What PM2 has said of it, which may be wrong. */
  pm2Said?: { code: number; signal: string };

  exception?: ExitException;
  /** Rejections that nothing handled, which PM2 swallows. */
  unhandledRejections?: number;
  /** Requests that its drain finished and cut. */
  requests?: { finished: number; cut: number };
  /** Its last lines, without secrets. */
  stdout: string[];
  stderr: string[];
  /** Its last minutes, oldest first. */
  figures: FigureSample[];
  /** The deploy that it belongs to, as PM2 lists it. */
  deploy?: { version?: string; revision?: string; branch?: string };
  /** V8's report, in the state folder: `reports/NAME`. */
  report?: string;
  /** What this record lacks, and why: `figures: it had no agent (…)`. */
  missing: string[];
  /** Absent until PM2 has decided. */
  followed?: Followed;
}

/** The question of `why`. */
export interface WhyRequest {
  /** As everywhere: a pm_id, an app's name, `name:id`, or `all`. An app that is gone is meant by its name. */
  target: string;
  /** How many of the newest; 10 unless told. */
  last?: number;
  /** None that ended before, in milliseconds of Date.now(). */
  since?: number;
}

export interface WhyReply {
  ok: true;
  action: 'why';
  target: string;
  /** Newest first. */
  exits: ExitRecord[];
  /** How many more are recorded. */
  more: number;
  /** Since when exits are recorded on this host, in milliseconds of Date.now(). */
  recordedSince: number;
  /** What to do about the newest one, in lines; a line to type stands at the end, behind a colon. */
  next: string[];
}
