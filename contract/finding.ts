// A finding of `doctor`.

/** `error`: something fails or does harm. `warning`: it will, sooner or later. `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info';

export interface Finding {
  severity: Severity;
  /** The name of the check, for scripts. */
  check: string;
  /** Its subject, `web (id 3)`, or the first few of several; absent if that is the host or the module. */
  about?: string;
  /** All its subjects. */
  subjects: string[];
  what: string;
  /** What to do, in lines: the commands, then what they do not do. */
  fix: string;
  /** Lines for a shell, in this order. */
  commands: string[];
  /** Settings for the ecosystem file, because the commands last only until PM2 reads that file again. */
  ecosystem?: Record<string, unknown>;
}
