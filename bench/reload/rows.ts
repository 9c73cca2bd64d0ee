// What is known of one candidate under one kind of load, after some reloads.

import { say } from '../support/report.ts';
import { median, quantile, round } from '../support/stats.ts';
import type { Candidate } from './candidates.ts';
import { addSeen, type FailureKind, failuresOf, latencyAt, type Seen } from './seen.ts';
import type { Turn } from './turn.ts';

export type Load = 'busy' | 'pausing';

export interface Row {
  readonly id: string;
  readonly killTimeoutMs: number;
  readonly seen: Omit<Seen, 'servers'>;
  /** How long its last reload took. */
  readonly lastSeconds: number;
  /** A reload that did not succeed is said at once and counted; what its clients saw counts like any other. */
  add(turn: Turn | Error, seen: Seen): void;
  figures(): RowFigures;
}

/** As it stands in bench/results/reload.json. */
export interface RowFigures {
  id: string;
  name: string;
  by: string;
  ours: boolean;
  load: Load;
  killTimeoutMs: number;
  reloads: number;
  notSucceeded: number;
  requests: number;
  failed: number;
  failures: Record<FailureKind, number>;
  seconds: { median: number; min: number; max: number };
  latencyMs: { p50: number; p99: number; max: number };
  /** From an old worker's last answer to its end; absent where that cannot be seen. */
  leavingMs?: { median: number; p95: number; max: number };
}

export function createRow(candidate: Candidate, load: Load, killTimeoutMs: number): Row {
  const { id, name, by, ours = false } = candidate;
  const failures = { reset: 0, hangUp: 0, cut: 0, refused: 0, status: 0, stalled: 0 };
  const seen: Row['seen'] = { requests: 0, connections: 0, failures, latencies: {}, maxMs: 0 };
  const turns: Turn[] = [];
  let notSucceeded = 0;
  return {
    id: `${load}/${id}/${killTimeoutMs}`,
    killTimeoutMs,
    seen,
    get lastSeconds() {
      return turns.at(-1)?.seconds ?? Number.NaN;
    },
    add(turn, more) {
      if (turn instanceof Error) {
        say(`${load}/${id}: the reload did not succeed: ${turn.message}`);
        notSucceeded += 1;
      } else turns.push(turn);
      addSeen(seen, more);
    },
    figures() {
      const seconds = turns.map((turn) => turn.seconds);
      const leavingMs = turns.flatMap((turn) => turn.leavingMs);
      return {
        id,
        name,
        by,
        ours,
        load,
        killTimeoutMs,
        reloads: turns.length + notSucceeded,
        notSucceeded,
        requests: seen.requests,
        failed: failuresOf(seen),
        failures,
        seconds: {
          median: round(median(seconds), 3),
          min: round(quantile(seconds, 0), 3),
          max: round(quantile(seconds, 1), 3),
        },
        latencyMs: {
          p50: round(latencyAt(seen.latencies, 0.5)),
          p99: round(latencyAt(seen.latencies, 0.99), 1),
          max: round(seen.maxMs, 1),
        },
        ...(leavingMs.length === 0
          ? {}
          : {
              leavingMs: {
                median: round(median(leavingMs), 1),
                p95: round(quantile(leavingMs, 0.95), 1),
                max: round(quantile(leavingMs, 1), 1),
              },
            }),
      };
    },
  };
}
