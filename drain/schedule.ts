// Divides a drain's budget: most of it is for what is in flight, the last part for what would never end by itself.

import type { DrainOptions } from './types.ts';

/** Node's default `keepAliveTimeout` is 5 s. A client that knows it does not use its connection after that, and Node closes it 1 s
 * later. */
const LONGEST_GRACE_MS = 6_000;

/** Idle connections get all the time that the budget allows, up to 6 s; after that, clients have no reason to use them. */
export function defaultGraceMs(budgetMs: number): number {
  return Math.min(LONGEST_GRACE_MS, budgetMs - lastPartMs(budgetMs));
}

/** The last part: 10 % of the budget, between 50 ms and 1 s. Streams of an EventSource end in it. */
function lastPartMs(budgetMs: number): number {
  return Math.min(budgetMs, 1_000, Math.max(50, budgetMs / 10));
}

/** The very end of the budget, when a request without an answer gets a 503 instead of being cut silently. */
function lastWordMs(budgetMs: number): number {
  return Math.min(50, budgetMs / 20);
}

/** The times of one drain, which starts now. */
export class Schedule {
  readonly #startedMs = performance.now();
  #budgetMs: number;
  #graceMs: number;
  #mayCut: boolean;

  constructor({ budgetMs, graceMs, unfinished = 'cut' }: DrainOptions) {
    this.#budgetMs = budgetMs;
    this.#mayCut = unfinished === 'cut';
    this.#graceMs = Math.min(graceMs ?? defaultGraceMs(budgetMs), budgetMs - lastPartMs(budgetMs));
  }

  /** The time until the budget is used up. */
  get leftMs(): number {
    return this.#startedMs + this.#budgetMs - performance.now();
  }

  /** How long a connection may be idle before the drain ends it. */
  get graceMs(): number {
    return this.#graceMs;
  }

  /** Does the end of the budget cut what is unfinished? Not in a process that serves on. */
  get mayCut(): boolean {
    return this.#mayCut;
  }

  get inLastPart(): boolean {
    return this.leftMs <= lastPartMs(this.#budgetMs);
  }

  /** The second half of the last part. Until it begins, a client may use a connection once more whose response has just ended, if
   * nothing has told it yet that the connection ends. */
  get secondHalfMs(): number {
    return lastPartMs(this.#budgetMs) / 2;
  }

  get inSecondHalf(): boolean {
    return this.leftMs <= this.secondHalfMs;
  }

  get isTimeForLastWords(): boolean {
    return this.leftMs <= lastWordMs(this.#budgetMs);
  }

  /** Joins a second call: the earlier end wins, and a process that exits wins over one that serves on. */
  shorten({ budgetMs, unfinished = 'cut' }: DrainOptions): void {
    if (unfinished === 'cut') this.#mayCut = true;
    const endsInMs = Math.min(this.leftMs, budgetMs);
    this.#budgetMs = performance.now() + endsInMs - this.#startedMs;
    this.#graceMs = Math.min(this.#graceMs, this.#budgetMs - lastPartMs(this.#budgetMs));
  }
}
