// What the agent sees of its process.
import type { GracefulBy, ServerInfo, ServingState } from '../standing.ts';
import type { Action, Help, NoParams } from './declaration.ts';
import type { MemoryUsage } from './memoryUsage.ts';

export interface OpsStatusFields {
  state: ServingState;
  /** Of the agent. */
  version: string;
  servers: ServerInfo[];
  connections: number;
  inFlight: number;
  keepAlive: boolean;
  graceful: GracefulBy;
  /** Seconds. */
  uptime: number;
  memory: MemoryUsage;
  /** Does its memory rise over minutes and hours? null as long as it is too early to say. */
  trend: MemoryTrend | null;
  /** Version of Node. */
  node: string;
  /** Actions that the app registered itself and keeps. */
  kept: string[];
}

/** The least memory that was held in each stretch of time, and how it changes. */
export interface MemoryTrend {
  /** How far back it goes. */
  minutes: number;
  /** Heap and buffers; `low` and `high` bound it with 90 %. */
  bytesPerMinute: number;
  low: number;
  high: number;
  /** Rises that consistently by chance in less than one of 100 cases. */
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
