// The life of a service from top to bottom: open, warm up, listen, ready; then drain, close, gone.

import type { Server } from 'node:net';
import { type DrainEngine, type DrainResult, suggestedKillTimeoutMs, summaryOf, takeEngine } from '../drain/index.ts';
import { LateError } from './deadline.ts';
import { untilWritten } from './lastLine.ts';
import { addressOf, untilListening } from './listening.ts';
import { Resources } from './resources.ts';
import { type Edges, listenToEdges } from './signals.ts';
import { watchForSlow } from './slowest.ts';
import { messageAndPlaceOf, messageOf, PlainError } from './text.ts';
import { killTimeoutFrom, leaveTimes } from './times.ts';
import type { Readiness, Service, ServiceLog, ServiceOptions, ServiceState } from './types.ts';

const START_FAILED = 'start failed';
const START_TIMEOUT_MS = 30_000;
const CHECK_TIMEOUT_MS = 2_000;
/** Longer than that and a timer of Node fires at once. */
const LONGEST_MS = 2 ** 31 - 1;
/** So many uncaught errors are written down; a process that throws them in a loop has said enough. */
const LOGGED_ERRORS = 10;

export class ServiceRun implements Service, Edges {
  readonly killTimeoutMs: number;
  readonly #options: ServiceOptions;
  readonly #log: ServiceLog;
  readonly #engine: DrainEngine;
  readonly #resources: Resources;
  readonly #stopListening: () => void;
  /** Aborted when the start is given up. */
  readonly #starting = new AbortController();
  #started: Promise<void> | undefined;
  #servers: readonly Server[] = [];
  #stopWatching = () => {};
  #phase: 'starting' | 'serving' | 'leaving' | 'stopped' = 'starting';
  #leaving: Promise<void> | undefined;
  /** Set when the process exits after it has left; the highest that somebody asked for. */
  #exitCode: number | undefined;
  #errors = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#log = options.log ?? console;
    this.killTimeoutMs = milliseconds('killTimeoutMs', options.killTimeoutMs) ?? killTimeoutFrom(process.env);
    const checkTimeoutMs = milliseconds('checkTimeoutMs', options.checkTimeoutMs) ?? CHECK_TIMEOUT_MS;
    milliseconds('startTimeoutMs', options.startTimeoutMs);
    this.#resources = new Resources(options.resources ?? [], checkTimeoutMs, (name, failure) => {
      if (failure === undefined) this.#log.info(`${name} is healthy again`);
      else this.#log.warn(`${name} is not healthy: ${failure}`);
    });
    this.#engine = takeEngine();
    this.#stopListening = listenToEdges(this);
  }

  get state(): ServiceState {
    if (this.#phase === 'leaving') return 'draining';
    if (this.#phase !== 'serving') return this.#phase;
    const state = this.#engine.state();
    return state === 'draining' || state === 'drained' ? 'draining' : 'serving';
  }

  async readiness(): Promise<Readiness> {
    if (this.state !== 'serving') return { ready: false, state: this.state, checks: [] };
    const checks = await this.#resources.check();
    // It may have been asked to leave meanwhile.
    return { ready: this.state === 'serving' && checks.every(({ ok }) => ok), state: this.state, checks };
  }

  async stop(reason = 'stop'): Promise<void> {
    await this.#leave(reason);
  }

  /** Resolves when it serves; a start that fails ends the process. */
  async start(): Promise<Service> {
    const startedMs = performance.now();
    const limitMs = this.#options.startTimeoutMs ?? START_TIMEOUT_MS;
    const late = setTimeout(() => {
      this.#starting.abort(new LateError(`not ready within ${limitMs} ms `));
    }, limitMs);
    this.#started = this.#openAndListen().finally(() => clearTimeout(late));
    try {
      await this.#started;
    } catch (error) {
      if (this.#leaving === undefined) this.#onStartFailure(error);
      // Whoever awaits this start has nothing to do any more: the process ends.
      return new Promise(() => {});
    }
    const addresses = this.#servers.map(addressOf).join(', ');
    this.#log.info(`serving on ${addresses} after ${Math.round(performance.now() - startedMs)} ms`);
    return this;
  }

  async #openAndListen(): Promise<void> {
    const { signal } = this.#starting;
    await this.#resources.open(signal);
    await unlessAborted(signal, async () => this.#options.warmUp?.(signal));
    await unlessAborted(signal, async () => {
      this.#servers = [await this.#options.listen(this)].flat();
      if (this.#servers.length === 0) throw new PlainError('listen() returned no server');
      // The start was given up while it made them.
      if (signal.aborted) for (const server of this.#servers) server.close();
      await untilListening(this.#servers, signal);
    });
    this.#watchForSlow();
    // Looks the servers up now: in a cluster worker the first look takes some milliseconds.
    this.#engine.state();
    this.#phase = 'serving';
    // Without PM2 there may be no channel, or nobody who wants to know. A failed send must not be an `error` of the process.
    if (process.connected) process.send?.('ready', undefined, undefined, () => {});
  }

  #watchForSlow(): void {
    const { drainMs } = leaveTimes(this.killTimeoutMs, this.#resources.closable);
    this.#stopWatching = watchForSlow(this.#servers, drainMs, (request, ms) => {
      const suggested = suggestedKillTimeoutMs(Math.max(this.killTimeoutMs, ms));
      this.#log.warn(
        `${request} took ${Math.round(ms)} ms, and a reload waits for ${Math.round(drainMs)} ms of kill_timeout ${this.killTimeoutMs}: it would cut such a request off; try kill_timeout ${suggested}`,
      );
    });
  }

  #onStartFailure(error: unknown): void {
    this.#log.error(`start failed: ${messageAndPlaceOf(error)}`);
    this.#exitWhenLeft(1);
    void this.#leave(START_FAILED);
  }

  // Edges

  onSignal(by: string): void {
    this.#exitWhenLeft(0);
    void this.#leave(by);
  }

  afterFirstSignal(by: string, code: number): void {
    this.#log.warn(`${by} again: leaving at once`);
    process.exit(code);
  }

  onError(error: unknown, origin: string): void {
    // An `error` event of a server that listen() has not handed over yet, for example.
    if (this.#phase === 'starting' && this.#leaving === undefined) {
      this.#onStartFailure(error);
      return;
    }
    if (++this.#errors <= LOGGED_ERRORS) {
      const text = error instanceof Error ? (error.stack ?? messageOf(error)) : String(error);
      this.#log.error(`${origin === 'unhandledRejection' ? 'unhandled rejection' : 'uncaught error'}: ${text}`);
    }
    this.#exitWhenLeft(1);
    void this.#leave('uncaught error');
  }

  onSuccessor(): void {
    // Connections that are idle now have until the signal to send the request that ends them.
    if (this.#phase === 'serving') this.#engine.disableKeepAlive();
  }

  // Leaving

  /** Whatever happens to the drain and to the resources. The timer also keeps a process alive in which nothing else does. */
  #exitWhenLeft(code: number): void {
    if (this.#exitCode === undefined) {
      const { exitMs } = leaveTimes(this.killTimeoutMs, this.#resources.closable);
      setTimeout(() => process.exit(this.#exitCode), exitMs);
    }
    this.#exitCode = Math.max(this.#exitCode ?? 0, code);
  }

  #leave(why: string): Promise<void> {
    this.#leaving ??= this.#drainAndClose(why).then(async () => {
      if (this.#exitCode === undefined) return;
      await untilWritten();
      process.exit(this.#exitCode);
    });
    return this.#leaving;
  }

  async #drainAndClose(why: string): Promise<void> {
    const startedMs = performance.now();
    const wasServing = this.#phase === 'serving';
    const times = leaveTimes(this.killTimeoutMs, this.#resources.closable);
    this.#phase = 'leaving';
    this.#stopWatching();
    this.#starting.abort(new PlainError(why));
    await this.#started?.catch(() => {});
    const drained = await this.#drain(times.drainMs);
    const drainedMs = performance.now() - startedMs;
    const unclosed = await this.#resources.close(Math.max(0, times.closeMs - drainedMs));
    this.#phase = 'stopped';
    this.#tell(why, wasServing, summaryOf(drained, drainedMs, this.killTimeoutMs), drained.cut, unclosed);
    this.#stopListening();
    await this.#engine.dispose();
  }

  async #drain(budgetMs: number): Promise<DrainResult> {
    let result: DrainResult = { finished: 0, closed: 0, cut: 0 };
    try {
      result = await this.#engine.drain({ budgetMs, last: true });
    } catch (error) {
      this.#log.error(`the drain failed: ${messageOf(error)}`);
    }
    // They do not listen any more; now they are closed for the app's own eyes, too, and hold nothing.
    for (const server of this.#servers) if (server.listening) server.close();
    return result;
  }

  #tell(why: string, wasServing: boolean, summary: string, cut: number, unclosed: string[]): void {
    const left = unclosed.length === 0 ? '' : `; not closed: ${unclosed.join(', ')}`;
    if (!wasServing && why === START_FAILED && left === '') return; // Said already, in one line.
    const line = `${why}: ${wasServing ? summary : 'left before it served'}${left}`;
    if (cut > 0 || left !== '') this.#log.warn(line);
    else this.#log.info(line);
  }
}

/** Runs `work`, and waits for it no longer than until the signal aborts. */
async function unlessAborted(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const given = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([work(), given]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function milliseconds(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isFinite(value) && value > 0 && value <= LONGEST_MS)) return value;
  throw new RangeError(`${name} must be milliseconds between 1 and ${LONGEST_MS}, got ${value}`);
}
