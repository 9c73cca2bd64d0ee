// Tells whether a process leaks, how fast, and which lines allocate the memory that stays.

import type { Action, Help, ParamSpecs } from './declaration.ts';
import type { Place } from './place.ts';

export interface LeakReportFields {
  verdict: 'growing' | 'steady' | 'unclear';
  reason: string;
  growth: Growth;
  sites: LeakSite[];
  file: string;
  bytes: number;
  seconds: number;
  /** The number of full collections, and how long the longest one stopped the process. */
  collections: number;
  longestHoldMs: number;
}

/** The growth of the memory that remains after full collections, in bytes. `low` and `high` are the bounds of the 90 % interval. */
export interface Growth {
  bytesPerMinute: number;
  low: number;
  high: number;
  /** null without requests. */
  bytesPerRequest: number | null;
  requests: number;
  from: number;
  to: number;
}

/** Code that allocates memory that stays. */
export interface LeakSite extends Place {
  /** The function inside it that allocates, if it is another one. */
  allocatedIn?: string;
  bytesPerMinute: number;
  share: number;
  kept: number;
  samples: number;
}

const params = {
  seconds: { type: 'seconds', default: 60, min: 5, max: 3600 },
} as const satisfies ParamSpecs;

export const action: Action<typeof params, LeakReportFields> = {
  params,
  deadlineMs: 60_000,
  several: { takes: 'largest', order: 'at-once' },
};

export const help: Help<typeof action> = {
  summary: 'Whether it leaks, how fast, and which lines allocate what stays.',
  params: {
    seconds: 'how long to watch; longer is surer',
  },
};
