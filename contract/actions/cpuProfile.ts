// Shows where a process spends its CPU time.

import type { Action, Help, ParamSpecs } from './declaration.ts';
import type { Place } from './place.ts';

export interface CpuProfileFields {
  file: string;
  bytes: number;
  seconds: number;
  samples: number;
  /** The share of the time (0 to 1) for which it computed. */
  busy: number;
  /** The heaviest functions; `share` is of the busy time. */
  top: (Place & { selfMs: number; share: number })[];
}

const params = {
  seconds: { type: 'seconds', default: 10, min: 1, max: 600 },
} as const satisfies ParamSpecs;

export const action: Action<typeof params, CpuProfileFields> = {
  params,
  deadlineMs: 60_000,
  // Starting a CPU profile stops a process for a moment, so the instances of an app start theirs in turn.
  several: { takes: 'largest', order: 'in-turn' },
};

export const help: Help<typeof action> = {
  summary: 'Where the time goes: the functions that compute, and a file for DevTools or speedscope.',
  params: {
    seconds: 'how long to sample',
  },
};
