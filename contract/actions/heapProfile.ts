// Shows which functions allocate the memory that stays, or all memory.

import type { Action, Help, ParamSpecs } from './declaration.ts';
import type { Place } from './place.ts';

export interface HeapProfileFields {
  file: string;
  bytes: number;
  seconds: number;
  samples: number;
  /** Bytes. */
  allocated: number;
  /** The heaviest functions, in bytes. */
  top: (Place & { size: number; share: number })[];
}

const params = {
  seconds: { type: 'seconds', default: 10, min: 1, max: 600 },
  garbage: { type: 'boolean', default: false },
} as const satisfies ParamSpecs;

export const action: Action<typeof params, HeapProfileFields> = {
  params,
  deadlineMs: 60_000,
  several: { takes: 'largest', order: 'at-once' },
};

export const help: Help<typeof action> = {
  summary: 'What allocates the memory that stays (with --garbage: all of it), and a file for DevTools or speedscope.',
  params: {
    seconds: 'how long to sample',
    garbage: 'count also what was collected meanwhile, not only what stays',
  },
};
