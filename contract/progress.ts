// How far a long action is.

export interface ActionProgress {
  /** One word for a person: `draining`, `writing`, … */
  phase: string;
  /** More of it, such as `3 requests in flight`. */
  detail?: string;
  /** A file that grows meanwhile: the module looks at its size from outside, also while the event loop stands still. */
  file?: string;
}
