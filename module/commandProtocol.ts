// What the `pm2-ops` command and the module's process say to each other over PM2's bus.
import type { PmId } from './daemon/daemon.ts';
import type { Settings } from './daemon/settings.ts';
import type { Failure, GracefulBy, LeaveReport } from './protocol.ts';

/** Topic under which the command asks, and type under which the answer goes on the bus. */
export const COMMAND_TOPIC = 'pm2-ops:command';
export const COMMAND_REPLY = 'pm2-ops:command-reply';
/** Type under which a long action tells on the bus how far it is; `data` is a progress with the command's nonce. */
export const PROGRESS = 'pm2-ops:progress';

/** One row of `status`. */
export interface ProcessStatus {
  id: number | string;
  name: string;
  pid: number;
  mode: 'cluster' | 'fork';
  status: string;
  attached: boolean;
  /** `attached`, `waiting` (tried again by itself) or `skipped`. */
  attachment: 'attached' | 'waiting' | 'skipped';
  code?: string;
  /** Why it is not attached. */
  reason?: string;
  state: string;
  /** Who handles SIGINT there: we, the app itself, or nobody. */
  graceful?: GracefulBy;
  /** How the last process of this app that we drained on a signal left. */
  lastExit?: LeaveReport;
  /** Version of its agent. */
  agent?: string;
  /** Actions that the app had already, and keeps. */
  kept?: string[];
  /** PM2 runs a package manager here, not the app. */
  wrapper?: boolean;
}

export interface StatusReply {
  ok: true;
  action: 'status';
  version: string;
  settings: Settings;
  processes: ProcessStatus[];
}

/** One line about a reload that runs. */
export interface ReloadProgress {
  action: 'reload';
  app: string;
  step: 'begin' | 'canary' | 'patient' | 'replaced' | 'note' | 'finish' | 'failed' | 'undo';
  message: string;
  /** Milliseconds since it began. */
  ms: number;
  /** With `begin`: the reply comes within this many milliseconds. */
  deadlineMs?: number;
}

/** An instance that was replaced. */
export interface Replaced {
  id: PmId;
  /** Pids. */
  from: number;
  to: number;
  /** By its agent, before PM2 touched it. */
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

/** A reload that did not go through. */
export interface ReloadRefused extends Failure {
  app?: string;
  replaced?: Replaced[];
  notes?: string[];
  /** The last lines of the instance that did not come up. */
  logs?: string[];
}
