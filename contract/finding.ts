// What `doctor` finds.

/** `error`: something does not work, or harms. `warning`: it will, sooner or later. `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info';

export interface Finding {
  severity: Severity;
  /** Name of the check, for scripts. */
  check: string;
  /** Its subject, `web (id 3)`, or the first few of several; absent when it is the host or the module. */
  about?: string;
  /** All its subjects. */
  subjects: string[];
  what: string;
  /** What to do, a line each: the commands, then what they do not do. */
  fix: string;
  /** Lines for a shell, in this order. */
  commands: string[];
  /** What is to stand in the ecosystem file: the commands hold only until PM2 reads that file again. */
  ecosystem?: Record<string, unknown>;
}
