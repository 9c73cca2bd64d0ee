// The module's request to an agent to open a REPL.

/** The sources of the REPL's two parts, and the data for the thread that serves its socket. */
export interface ReplRequest {
  source: string;
  worker: string;
  data: ReplData;
}

export interface ReplData {
  folder: string;
  socket: string;
  token: string;
  audit: string;
  /** The REPL ends after this time without input from its client. */
  idleMs: number;
  /** The client has to connect within this time. */
  comesWithinMs: number;
  /** The person and the process, for every line of the audit log. */
  who: { user: string; uid: number; app: string; pm_id: string; pid: number };
}
