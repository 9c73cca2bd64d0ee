// What the `pm2-ops` command and the module's process say to each other over PM2's bus.
import type { Settings } from './daemon/settings.ts';
import type { GracefulBy, LeaveReport } from './protocol.ts';

/** Topic under which the command asks, and type under which the answer goes on the bus. */
export const COMMAND_TOPIC = 'pm2-ops:command';
export const COMMAND_REPLY = 'pm2-ops:command-reply';

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
