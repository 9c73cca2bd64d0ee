// What an action gets to work with.

import type { ActionName, FieldsOf, ParamsOf } from '../contract/actions/index.ts';
import type { MemoryTrend } from '../contract/actions/opsStatus.ts';
import type { Addressed, AgentOptions } from '../contract/agentMessages.ts';
import type { Refusal } from '../contract/errors.ts';
import type { ActionProgress } from '../contract/progress.ts';
import type { GracefulBy, ServingState } from '../contract/standing.ts';
import type { DrainEngine } from '../drain/index.ts';
import type { ModuleClient } from './moduleClient.ts';

export interface Context {
  options: AgentOptions;
  engine: DrainEngine;
  moduleClient: ModuleClient;
  /** Actions that the app registered itself and keeps. */
  kept: string[];
  /** How this process stands towards its clients. A process that listens only for its own children has none. */
  state: ServingState;
  /** Who handles signals in this process. */
  graceful: GracefulBy;
  /** Was this process meant alone, or every instance of the app? */
  addressed: Addressed;
  /** Does its memory rise? null while it is too early to say. */
  memoryTrend(): MemoryTrend | null;
  /** Is that action running in this process? */
  isRunning(action: ActionName): boolean;
  /** Does the process exit, drained on a signal? Then nothing may make it listen again. */
  isLeaving(): boolean;
  /** Reports the action's progress. Each report costs a message on the bus, so send only a few a second. */
  progress(progress: ActionProgress): void;
  /**
   * Calls `stop` when the action has to end early: the agent disposes of itself, or the deadline has passed.
   * @returns a function that unregisters `stop`
   */
  onEnd(stop: (why: Refusal) => void): () => void;
}

/**
 * Every action by its name: takes validated parameters, returns the fields of its reply beside `ok`, `action`, `pid`
 * and `ms`, and throws a Refusal if it refuses.
 */
export type Actions = {
  [Name in ActionName]: (params: ParamsOf<Name>, context: Context) => Promise<FieldsOf<Name>>;
};
