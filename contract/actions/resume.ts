// Puts a drained instance back into service.
import type { ServingState } from '../standing.ts';
import type { Action, Help, NoParams } from './declaration.ts';

export interface ResumeFields {
  state: ServingState;
  /** Where it listens again. */
  addresses: string[];
}

export const action: Action<NoParams, ResumeFields> = {
  params: {},
  deadlineMs: 10_000,
};

export const help: Help<typeof action> = {
  summary: 'Puts a drained instance back: it listens again as before.',
  params: {},
};
