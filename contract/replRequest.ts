// What the module gives an agent that is to open a REPL.

/** The sources of the REPL's two parts, and what the thread that serves its socket has to know. */
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
  /** The REPL ends after so long without a word from its client. */
  idleMs: number;
  /** The client has to connect within this time. */
  comesWithinMs: number;
  /** Written with every line of the audit. */
  who: { user: string; uid: number; app: string; pm_id: string; pid: number };
}
