// What the agent knows of its process.
import type { GracefulBy, ServerInfo, ServingState } from '../standing.ts';
import type { Action, Help, NoParams } from './declaration.ts';
import type { MemoryUsage } from './memoryUsage.ts';

export interface OpsStatusFields {
  state: ServingState;
  /** The version of the agent. */
  version: string;
  servers: ServerInfo[];
  connections: number;
  inFlight: number;
  keepAlive: boolean;
  graceful: GracefulBy;
  /** Seconds. */
  uptime: number;
  memory: MemoryUsage;
  /** Does its memory rise over minutes and hours? null while it is too early to say. */
  trend: MemoryTrend | null;
  /** The version of Node. */
  node: string;
  /** Actions that the app has registered itself and keeps. */
  kept: string[];
}

/** How the least memory of each stretch of time changes. */
export interface MemoryTrend {
  /** How far back the trend goes. */
  minutes: number;
  /** The growth of heap and buffers; `low` and `high` are the bounds of the 90 % interval. */
  bytesPerMinute: number;
  low: number;
  high: number;
  /** Does memory rise so steadily that chance would explain it in less than 1 of 100 cases? */
  rising: boolean;
}

export const action: Action<NoParams, OpsStatusFields> = {
  params: {},
  deadlineMs: 5_000,
  several: { takes: 'every', order: 'at-once' },
};

export const help: Help<typeof action> = {
  summary: 'State, servers, connections, requests in flight and memory of a process.',
  params: {},
};
