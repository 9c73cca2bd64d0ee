// How actions fail: a stable code for scripts, and a message and a hint for a person.

/** The catalogue of codes. Their meaning never changes; a new meaning gets a new code. */
export type ErrorCode =
  /** The request itself is wrong: an unknown parameter, a value out of range, a target that matches nothing. Nothing was done. */
  | 'E_PARAMS'
  /** A heap dump would probably exceed the memory that this process or host has. `force` dumps anyway. */
  | 'E_MEMORY'
  /** The file cannot be written: too little space, no permission, or a write that failed. Nothing is left behind. */
  | 'E_DISK'
  /** The same action, or one that excludes it, is running: ask again when it has ended. */
  | 'E_BUSY'
  /** This is the last instance that serves an address, so it stays in service. `force` drains it anyway. */
  | 'E_LAST'
  /** The action did not finish, or a process did not answer, within the deadline. */
  | 'E_TIMEOUT'
  /** The process listens nowhere, or not in its main thread. */
  | 'E_NO_SERVER'
  /** The process, the agent or a setting is not in the state that the action needs: not attached, exiting, undone meanwhile. */
  | 'E_STATE'
  /** The process is a wrapper, and the app is another process, which the hint names. */
  | 'E_WRAPPER'
  /** pm2-ops itself failed. */
  | 'E_INTERNAL';

/** The reply of an action that failed or refused: what happened, with figures, and what to do next. */
export interface Failure {
  ok: false;
  action: string;
  code: ErrorCode;
  message: string;
  hint: string;
}

/** An action throws this anywhere to refuse; its caller turns it into a `Failure`. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  /**
   * @param message what happened, with figures
   * @param hint what to do next
   */
  constructor(code: ErrorCode, message: string, hint: string) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.hint = hint;
  }
}
