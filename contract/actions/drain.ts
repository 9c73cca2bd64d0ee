// Takes an instance out of service: it stops listening, finishes what clients have sent, and stays up.
import type { ServingState } from '../standing.ts';
import type { Action, Help, ParamSpecs, Skipped } from './declaration.ts';

export interface DrainFields {
  state: ServingState;
  /** Responses completed; idle or long-lived connections ended; requests cut at the end of `timeout`. */
  finished: number;
  closed: number;
  cut: number;
  /** The first requests that were cut. */
  cutRequests?: string[];
  /** Addresses that no instance serves now. */
  note?: string;
}

const params = {
  timeout: { type: 'milliseconds', default: 10_000, min: 0, max: 3_600_000 },
  force: { type: 'boolean', default: false },
} as const satisfies ParamSpecs;

export const action: Action<typeof params, DrainFields | Skipped> = {
  params,
  deadlineMs: 5_000,
};

export const help: Help<typeof action> = {
  summary: 'Takes an instance out of service: its siblings take over, it finishes what it has and stays up.',
  params: {
    timeout: 'how long requests in flight, tunnels and raw connections may take before they are cut',
    force: 'drain even the last instance that serves',
  },
};
