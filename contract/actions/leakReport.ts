// Does a process leak, how fast, and which lines allocate the memory that stays?

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
  /** Full collections that were made, and how long the longest one stopped the process. */
  collections: number;
  longestHoldMs: number;
}

/** Of the memory that is held after full collections, in bytes; `low` and `high` bound the rate with 90 %. */
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
  /** The function inside it that allocates, where that is another one. */
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
