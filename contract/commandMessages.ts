// What the `pm2-ops` command and the module say to each other over PM2's bus.
import type { Failure } from './errors.ts';
import type { ExitReport } from './exitReport.ts';
import type { Cause } from './exits.ts';
import type { Finding } from './finding.ts';
import type { PmId } from './pmId.ts';
import type { Reply } from './reply.ts';
import type { Settings } from './settings.ts';
import type { StackView } from './stackView.ts';
import type { GracefulBy } from './standing.ts';

/** The topic of the command's packets, and the type of the module's answers on the bus. */
export const COMMAND_TOPIC = 'pm2-ops:command';
export const COMMAND_REPLY = 'pm2-ops:command-reply';
/** The type of progress on the bus; `data` is a progress with the command's nonce. */
export const PROGRESS = 'pm2-ops:progress';

/** One row of `status`. */
export interface ProcessStatus {
  id: number | string;
  name: string;
  namespace: string;
  pid: number;
  mode: 'cluster' | 'fork';
  status: string;
  attached: boolean;
  /** `waiting`: the module tries again; `skipped`: it leaves the process alone. */
  attachment: 'attached' | 'waiting' | 'skipped';
  code?: string;
  /** Why it is not attached. */
  reason?: string;
  /** The state that its agent last told, or `blocked`. */
  state: string;
  /** For how long its event loop has not answered. */
  blockedMs?: number;
  /** It writes a heap dump, and answers nothing meanwhile. */
  dumping?: true;
  graceful?: GracefulBy;
  /** The exit report of this app's last process that its agent drained on a signal. */
  lastExit?: ExitReport;
  /** Why the process that had this id before has ended, in milliseconds of Date.now(), and as one line for a person. */
  lastCause?: { cause: Cause; at: number; headline: string };
  /** The version of its agent. */
  agent?: string;
  /** Actions that the app has registered itself and keeps. */
  kept?: string[];
  /** How many invalid messages of this process the module has dropped. */
  badMessages?: number;
  /** It is a wrapper of the app: a package manager, a loader, … */
  wrapper?: true;
  /** Which process does the work instead, in words: for a wrapper, and for an app that forks workers of its own. */
  real?: string;
  /** Where one of its servers listens outside the main thread, where it cannot be drained. */
  listensElsewhere?: string;
  /** What becomes of its listening sockets while it restarts. */
  door: DoorStatus;
}

export interface DoorStatus {
  /** The module holds these, so that clients wait and are not refused. */
  held: string[];
  /** PM2 starts it with the door, or its app loads that itself, so that its next process takes over what is held. */
  prepared: boolean;
  /** Why nothing can be held for it. */
  whyNot?: string;
}

export interface StatusReply {
  ok: true;
  action: 'status';
  version: string;
  settings: Settings;
  /** Line and reason of each problem of a rules.json that was refused. */
  refusedRules?: string[];
  processes: ProcessStatus[];
}

/** What a process executes right now. */
export interface StackReply extends StackView {
  ok: true;
  action: 'stack';
  id: PmId;
  name: string;
  pid: number;
  ms: number;
}

/** The reply of `doctor`. */
export interface DoctorReply {
  ok: true;
  action: 'doctor';
  version: string;
  /** Is there no finding of severity `error`? */
  healthy: boolean;
  /** The names of all checks that ran. */
  checks: string[];
  findings: Finding[];
}

/** The name under which the command asks for a REPL. */
export const REPL = 'repl';
export interface ReplQuestion {
  /** A pm_id, `name:id`, or the name of an app with one instance. */
  target: string;
  /** The person who asks, as the command says. */
  user: string;
  uid: number;
}

/** A REPL that waits for a client with its token. */
export interface ReplOpened {
  ok: true;
  action: 'repl';
  id: PmId;
  name: string;
  pid: number;
  /** The user that the process runs as. Only that user and root can connect. */
  uid: number;
  socket: string;
  token: string;
}

/** The name under which the command asks for an action of managed processes. */
export const RUN = 'run';
export interface RunRequest {
  action: string;
  /** A pm_id, an app's name, `name:id`, or `all`. */
  target: string;
  /** As a person gave them, texts or JSON values. The agent validates them. */
  params: Record<string, unknown>;
}

/** Progress of an action. */
export interface RunProgress {
  action: string;
  /** The process that performs it. */
  id: PmId;
  name: string;
  phase: string;
  detail?: string;
  /** How much of its file the process has written. */
  bytes?: number;
  /** All of this as a line. */
  message: string;
  /** The time since the action began. */
  ms: number;
  /** Within this time comes the reply, or other progress with a deadline. */
  deadlineMs?: number;
}

/** The reply of one process. */
export interface RunResult<Replied extends Reply = Reply> {
  id: PmId;
  name: string;
  pid: number;
  reply: Replied;
}

export interface RunReply<Replied extends Reply = Reply> {
  /** Has every process done it? */
  ok: boolean;
  action: string;
  target: string;
  results: RunResult<Replied>[];
}

/** Progress of a reload. */
export interface ReloadProgress {
  action: 'reload';
  app: string;
  step: 'begin' | 'canary' | 'patient' | 'replaced' | 'note' | 'finish' | 'failed' | 'undo';
  message: string;
  /** The time since the reload began. */
  ms: number;
  /** With `begin`: the reply comes within this time. */
  deadlineMs?: number;
}

/** An instance that the reload has replaced. */
export interface Replaced {
  id: PmId;
  /** The pid before, and the pid after. */
  from: number;
  to: number;
  /** Did its agent drain it before PM2 restarted it? */
  drained: boolean;
}

export interface ReloadReply {
  ok: true;
  action: 'reload';
  app: string;
  instances: number;
  replaced: Replaced[];
  notes: string[];
  ms: number;
}

/** A reload that was refused or undone. */
export interface ReloadRefused extends Failure {
  app?: string;
  replaced?: Replaced[];
  notes?: string[];
  /** The last log lines of the instance that did not come up. */
  logs?: string[];
}
