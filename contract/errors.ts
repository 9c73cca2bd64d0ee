// Every way in which an action fails: its stable code, on which scripts match, and what it tells a person.

/** The catalogue of codes. Their meaning never changes; a new meaning gets a new code. */
export type ErrorCode =
  /** The request itself is wrong: an unknown parameter, a value out of its range, a target that matches nothing. Nothing was done. */
  | 'E_PARAMS'
  /** A heap dump would probably exceed the memory that this process or host has. `force` dumps anyway. */
  | 'E_MEMORY'
  /** The file cannot be written: too little space, no permission, or a write that failed. Nothing is left behind. */
  | 'E_DISK'
  /** The same thing, or one that excludes it, is running: ask again when it has ended. */
  | 'E_BUSY'
  /** The last instance that serves an address stays in service. `force` drains it anyway. */
  | 'E_LAST'
  /** It did not finish, or a process did not answer, within the deadline. */
  | 'E_TIMEOUT'
  /** The process listens on nothing, or not in its main thread. */
  | 'E_NO_SERVER'
  /** The process, the agent or a setting is not in the state that the action needs: not attached, going, undone meanwhile. */
  | 'E_STATE'
  /** PM2 runs a wrapper here, and the app is another process: the hint names it. */
  | 'E_WRAPPER'
  /** pm2-ops itself failed. */
  | 'E_INTERNAL';

/** What an action answers when it did not do what was asked: what happened, with figures, and what to do next. */
export interface Failure {
  ok: false;
  action: string;
  code: ErrorCode;
  message: string;
  hint: string;
}

/** Thrown anywhere inside an action that will not be done; at the action's edge it becomes a `Failure`. */
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
