// What each resource has.

export interface Resource {
  name: string;
  /** Connects. */
  open?(signal: AbortSignal): void | Promise<void>;
  /** Throws when it is not healthy. */
  check?(signal: AbortSignal): void | Promise<void>;
  /** Lets go of everything, when the last query has its answer. */
  close?(signal: AbortSignal): void | Promise<void>;
}
