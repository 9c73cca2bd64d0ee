// How a process exited that its agent drained on a signal.

export interface ExitReport {
  pid: number;
  /** `SIGINT`, `SIGTERM` or `shutdown`. */
  on: string;
  ms: number;
  killTimeoutMs: number;
  finished: number;
  closed: number;
  cut: number;
  /** `GET /path` of the first that were cut; of a tunnel or a raw connection, where it came from. */
  cutRequests: string[];
  /** The kill_timeout to try, where requests did not fit. */
  suggestedKillTimeoutMs?: number;
}
