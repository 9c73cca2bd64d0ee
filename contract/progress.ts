// The progress of a long action.

export interface ActionProgress {
  /** One word for a person: `draining`, `writing`, … */
  phase: string;
  /** Details, such as `3 requests in flight`. */
  detail?: string;
  /** The file that the process writes. The module reads its size from outside, because the event loop may be stopped. */
  file?: string;
}
