// What the `pm2-ops` command and the module's process say to each other over PM2's bus.
import type { Failure } from './errors.ts';
import type { ExitReport } from './exitReport.ts';
import type { Finding } from './finding.ts';
import type { PmId } from './pmId.ts';
import type { Reply } from './reply.ts';
import type { Settings } from './settings.ts';
import type { StackView } from './stackView.ts';
import type { GracefulBy } from './standing.ts';

/** Topic under which the command asks, and type under which the answer goes on the bus. */
export const COMMAND_TOPIC = 'pm2-ops:command';
export const COMMAND_REPLY = 'pm2-ops:command-reply';
/** Type under which a long action tells on the bus how far it is; `data` is a progress with the command's nonce. */
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
  /** `attached`, `waiting` (tried again by itself) or `skipped`. */
  attachment: 'attached' | 'waiting' | 'skipped';
  code?: string;
  /** Why it is not attached. */
  reason?: string;
  /** As its agent last said, or `blocked`. */
  state: string;
  /** For so long its event loop has not answered. */
  blockedMs?: number;
  /** It writes a heap dump, and answers nothing meanwhile. */
  dumping?: true;
  graceful?: GracefulBy;
  /** How the last process of this app exited that its agent drained on a signal. */
  lastExit?: ExitReport;
  /** Version of its agent. */
  agent?: string;
  /** Actions that the app registered itself and keeps. */
  kept?: string[];
  /** Messages of this process that the module dropped, because no agent sends such ones. */
  badMessages?: number;
  /** PM2 runs a wrapper of the app here: a package manager, a loader, … */
  wrapper?: true;
  /** Which process does the work instead, in words. A wrapper has it, and an app that forks workers of its own. */
  real?: string;
  /** Where a server of it listens outside of the main thread, which cannot be drained. */
  listensElsewhere?: string;
  /** What becomes of its listening sockets while it restarts. */
  door: DoorStatus;
}

export interface DoorStatus {
  /** The module holds these, so that clients wait and are not refused. */
  held: string[];
  /** PM2 starts it with the door, so that it can take over what is held. */
  prepared: boolean;
  /** Why nothing can be held for it. */
  whyNot?: string;
}

export interface StatusReply {
  ok: true;
  action: 'status';
  version: string;
  settings: Settings;
  processes: ProcessStatus[];
}

/** Where a process is right now. */
export interface StackReply extends StackView {
  ok: true;
  action: 'stack';
  id: PmId;
  name: string;
  pid: number;
  ms: number;
}

/** What `doctor` found. */
export interface DoctorReply {
  ok: true;
  action: 'doctor';
  version: string;
  /** No error was found. */
  healthy: boolean;
  /** Names of all that was looked for. */
  checks: string[];
  findings: Finding[];
}

/** The command asks the module for a REPL under this name. */
export const REPL = 'repl';
export interface ReplQuestion {
  /** A pm_id, `name:id`, or the name of an app with one instance. */
  target: string;
  /** The person who asks, as the command says. */
  user: string;
  uid: number;
}

/** A REPL that waits for the client that knows its token. */
export interface ReplOpened {
  ok: true;
  action: 'repl';
  id: PmId;
  name: string;
  pid: number;
  /** The user as whom the process runs: only that one and root can connect. */
  uid: number;
  socket: string;
  token: string;
}

/** The command asks the module for an action of managed processes under this name. */
export const RUN = 'run';
export interface RunRequest {
  action: string;
  /** A pm_id, an app's name, `name:id`, or `all`. */
  target: string;
  /** As a person gave them: texts or JSON values. The agent validates. */
  params: Record<string, unknown>;
}

/** Progress of an action. */
export interface RunProgress {
  action: string;
  /** The process it is about. */
  id: PmId;
  name: string;
  phase: string;
  detail?: string;
  /** Size of the file that is being written. */
  bytes?: number;
  /** All of this as a line. */
  message: string;
  /** Since it began. */
  ms: number;
  /** The reply, or other progress with a deadline, comes within this time. */
  deadlineMs?: number;
}

/** The reply of exactly one process. */
export interface RunResult<Replied extends Reply = Reply> {
  id: PmId;
  name: string;
  pid: number;
  reply: Replied;
}

export interface RunReply<Replied extends Reply = Reply> {
  /** Did every process do it? */
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
  /** Since it began. */
  ms: number;
  /** With `begin`: the reply comes within this time. */
  deadlineMs?: number;
}

/** An instance that the reload replaced. */
export interface Replaced {
  id: PmId;
  /** Pids. */
  from: number;
  to: number;
  /** Its agent drained it before PM2 touched it. */
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
  /** The last lines of the instance that did not come up. */
  logs?: string[];
}
