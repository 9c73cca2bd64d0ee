// A heap snapshot as a file, taken while the siblings of this process serve its clients.
import type { Action, Help, ParamSpecs, Skipped } from './declaration.ts';

/** The dump, and whether a client of this process waited meanwhile. */
export interface HeapdumpFields {
  file: string;
  bytes: number;
  heapUsed: number;
  /** Was this instance drained, so that no client was connected while V8 stopped it? */
  drained: boolean;
  /** Why it was not, or a remark. */
  reason?: string;
  /** Responses that the drain completed, and idle or long-lived connections that it ended. */
  finished?: number;
  closed?: number;
  /** Why the instance does not serve again, if it does not. */
  note?: string;
}

const params = {
  gzip: { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  scale: { type: 'boolean', default: false },
  timeout: { type: 'milliseconds', default: 90_000, min: 0, max: 3_600_000 },
} as const satisfies ParamSpecs;

export const action: Action<typeof params, HeapdumpFields | Skipped> = {
  params,
  deadlineMs: 15 * 60_000,
  several: { takes: 'largest', order: 'in-turn', exclusive: true },
};

export const help: Help<typeof action> = {
  summary: "Writes a heap dump; by an app's name that of its largest instance.",
  params: {
    gzip: 'compress the file (.heapsnapshot.gz)',
    force: 'dump even if memory or disk look too small',
    all: 'every instance of the app, one after the other',
    scale: 'add a sibling for the time of the dump where none serves; in fork mode after a first pm2-ops reload',
    timeout: 'how long the drain before the dump may take; it cuts nothing: busy connections then stay open',
  },
};
