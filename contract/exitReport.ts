// What a process tells about its drain when it exits on a signal.

export interface ExitReport {
  pid: number;
  /** `SIGINT`, `SIGTERM` or `shutdown`. */
  on: string;
  ms: number;
  killTimeoutMs: number;
  finished: number;
  closed: number;
  cut: number;
  /** `GET /path` of the first requests that were cut; for a tunnel or a raw connection, where it came from. */
  cutRequests: string[];
  /** A kill_timeout to try, if requests did not fit into the present one. */
  suggestedKillTimeoutMs?: number;
}
