// What the clients of a reload saw, and what is said between them and the benchmark.

/** How a request was lost. */
export type FailureKind =
  /** The connection was reset before a byte of the answer. */
  | 'reset'
  /** It was ended before a byte of the answer. */
  | 'hangUp'
  /** It ended in the middle of the answer. */
  | 'cut'
  | 'refused'
  /** Answered, but not with 200. */
  | 'status'
  /** No whole answer within 10 s. */
  | 'stalled';

export const FAILURES: { kind: FailureKind; name: string }[] = [
  { kind: 'reset', name: 'reset' },
  { kind: 'hangUp', name: 'hung up' },
  { kind: 'cut', name: 'cut' },
  { kind: 'refused', name: 'refused' },
  { kind: 'status', name: '5xx' },
  { kind: 'stalled', name: 'stalled' },
];

export interface Seen {
  requests: number;
  connections: number;
  failures: Record<FailureKind, number>;
  /** By bucket (see `bucketOf`): how many answers. */
  latencies: Record<number, number>;
  maxMs: number;
  /** By pid (and thread): the answers of that server, with the first and the last one's time on the monotonic clock. */
  servers: Record<string, { answers: number; firstAtMs: number; lastAtMs: number }>;
}

/** Clients that pause between 0 and `pauseMs` milliseconds between two requests. */
export interface Group {
  name: string;
  port: number;
  clients: number;
  pauseMs: number;
  /** So many of them open a connection for each request; none unless told. The others have one keep-alive connection each. */
  anew?: number;
}

export type Order = { id: number } & (
  | { do: 'start'; group: Group }
  | { do: 'look' | 'collect' | 'stop'; name: string }
);

export interface Reply {
  id: number;
  seen: Seen;
}

/** A bucket is 2 % wide: a quantile is exact to that. */
const WIDTH = Math.log(1.02);

export function bucketOf(ms: number): number {
  return Math.round(Math.log(Math.max(0.01, ms)) / WIDTH);
}

/** The latency below which `share` (0 to 1) of the answers lie, in milliseconds; NaN of none. */
export function latencyAt(latencies: Record<number, number>, share: number): number {
  const buckets = Object.keys(latencies)
    .map(Number)
    .sort((a, b) => a - b);
  const all = buckets.reduce((sum, bucket) => sum + latencies[bucket]!, 0);
  let below = 0;
  for (const bucket of buckets) {
    below += latencies[bucket]!;
    if (below >= share * all) return Math.exp(bucket * WIDTH);
  }
  return Number.NaN;
}

export function failuresOf({ failures }: Pick<Seen, 'failures'>): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0);
}

/** Adds what was seen in one stretch of time to what was seen before. */
export function addSeen(to: Omit<Seen, 'servers'>, more: Omit<Seen, 'servers'>): void {
  to.requests += more.requests;
  to.connections += more.connections;
  to.maxMs = Math.max(to.maxMs, more.maxMs);
  for (const { kind } of FAILURES) to.failures[kind] += more.failures[kind];
  for (const [bucket, count] of Object.entries(more.latencies))
    to.latencies[Number(bucket)] = (to.latencies[Number(bucket)] ?? 0) + count;
}
