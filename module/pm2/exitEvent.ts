// What PM2 tells with the `exit` of a process.
import type { PmId } from '../../contract/pmId.ts';

export interface ExitEvent {
  pmId: PmId;
  /** `stopping` where PM2 ends it; a restart has set `createdMs` anew by then, a stop has not. */
  status: string;
  createdMs: number;
  /** When the process that has ended was started, in milliseconds of Date.now(). */
  startedAt: number;
  /** Node's options of the next one. */
  nodeArgs: string[];
  /** PM2 does not start it again by itself. */
  isFinal: boolean;
}

/** Reads PM2's environment of a process that has ended (lib/God.js, `handleExit`). It holds the app's own as well. */
export function readExit(pmId: PmId, environment: Record<string, unknown>): ExitEvent {
  const {
    status,
    created_at,
    pm_uptime,
    node_args,
    autorestart,
    stop_exit_codes: codes,
    exit_code: code,
  } = environment;
  const isLast = [codes ?? []].flat().map(Number).includes(Number(code));
  return {
    pmId,
    status: String(status),
    createdMs: Number(created_at) || 0,
    startedAt: Number(pm_uptime) || 0,
    nodeArgs: [node_args ?? []].flat().map(String),
    isFinal: status === 'errored' || autorestart === false || autorestart === 'false' || isLast,
  };
}
