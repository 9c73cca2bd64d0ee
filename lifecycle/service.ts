// The life of a service from top to bottom: open, warm up, listen, ready; then drain, close, gone.

import type { Server } from 'node:net';
import { type DrainEngine, type DrainResult, suggestedKillTimeoutMs, summaryOf, takeEngine } from '../drain/index.ts';
import { addressOf } from '../drain/servers.ts';
import { LateError, unlessAborted } from './deadline.ts';
import { untilWritten } from './lastLine.ts';
import { untilListening } from './listening.ts';
import { Resources } from './resources.ts';
import { listenToSignals, type Signals } from './signals.ts';
import { watchForSlow } from './slowest.ts';
import { messageAndPlaceOf, messageOf, PlainError } from './text.ts';
import { exitTimes, killTimeoutFrom } from './times.ts';
import type { Readiness, Service, ServiceLog, ServiceOptions, ServiceState } from './types.ts';

const START_FAILED = 'start failed';
const START_TIMEOUT_MS = 30_000;
const CHECK_TIMEOUT_MS = 2_000;
/** A timer of Node that is longer fires at once. */
const LONGEST_MS = 2 ** 31 - 1;
/** So many uncaught errors are logged: a process may throw them in a loop. */
const LOGGED_ERRORS = 10;

export class ServiceRun implements Service, Signals {
  readonly killTimeoutMs: number;
  readonly #options: ServiceOptions;
  readonly #log: ServiceLog;
  readonly #engine: DrainEngine;
  readonly #resources: Resources;
  readonly #ignoreSignals: () => void;
  /** Aborted when the start is given up. */
  readonly #starting = new AbortController();
  #started: Promise<void> | undefined;
  #servers: readonly Server[] = [];
  #stopWatching = () => {};
  #phase: 'starting' | 'serving' | 'stopping' | 'stopped' = 'starting';
  #stopping: Promise<void> | undefined;
  /** Set when the process is to exit after its drain; the highest code that was asked for. */
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
    this.#ignoreSignals = listenToSignals(this);
  }

  get state(): ServiceState {
    if (this.#phase === 'stopping') return 'draining';
    if (this.#phase !== 'serving') return this.#phase;
    const state = this.#engine.state();
    return state === 'draining' || state === 'drained' ? 'draining' : 'serving';
  }

  async readiness(): Promise<Readiness> {
    if (this.state !== 'serving') return { ready: false, state: this.state, checks: [] };
    const checks = await this.#resources.check();
    // A signal may have come meanwhile.
    return { ready: this.state === 'serving' && checks.every(({ ok }) => ok), state: this.state, checks };
  }

  async stop(reason = 'stop'): Promise<void> {
    await this.#stopOnce(reason);
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
      if (this.#stopping === undefined) this.#onStartFailure(error);
      // The process ends: the caller of `start` has nothing more to do.
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
    // Without PM2 there may be no channel. A failed send must not be an `error` of the process.
    if (process.connected) process.send?.('ready', undefined, undefined, () => {});
  }

  #watchForSlow(): void {
    const { drainMs } = exitTimes(this.killTimeoutMs, this.#resources.closable);
    this.#stopWatching = watchForSlow(this.#servers, drainMs, (request, ms) => {
      const suggested = suggestedKillTimeoutMs(Math.max(this.killTimeoutMs, ms));
      this.#log.warn(
        `${request} took ${Math.round(ms)} ms, and a reload waits for ${Math.round(drainMs)} ms of kill_timeout ${this.killTimeoutMs}: it would cut such a request off; try kill_timeout ${suggested}`,
      );
    });
  }

  #onStartFailure(error: unknown): void {
    this.#log.error(`start failed: ${messageAndPlaceOf(error)}`);
    this.#exitAfterwards(1);
    void this.#stopOnce(START_FAILED);
  }

  // Signals

  onSignal(by: string): void {
    this.#exitAfterwards(0);
    void this.#stopOnce(by);
  }

  afterFirstSignal(by: string, code: number): void {
    this.#log.warn(`${by} again: leaving at once`);
    process.exit(code);
  }

  onError(error: unknown, origin: string): void {
    // For example an `error` event of a server that listen() has not returned yet.
    if (this.#phase === 'starting' && this.#stopping === undefined) {
      this.#onStartFailure(error);
      return;
    }
    if (++this.#errors <= LOGGED_ERRORS) {
      const text = error instanceof Error ? (error.stack ?? messageOf(error)) : String(error);
      this.#log.error(`${origin === 'unhandledRejection' ? 'unhandled rejection' : 'uncaught error'}: ${text}`);
    }
    this.#exitAfterwards(1);
    void this.#stopOnce('uncaught error');
  }

  onSuccessor(): void {
    // Connections that are idle now have until the signal to send the request that ends them.
    if (this.#phase === 'serving') this.#engine.disableKeepAlive();
  }

  // Stopping

  /** Exits at the latest when the time is over, whatever happens to the drain and to the resources. The timer also keeps a
   * process alive in which nothing else does. */
  #exitAfterwards(code: number): void {
    if (this.#exitCode === undefined) {
      const { exitMs } = exitTimes(this.killTimeoutMs, this.#resources.closable);
      setTimeout(() => process.exit(this.#exitCode), exitMs);
    }
    this.#exitCode = Math.max(this.#exitCode ?? 0, code);
  }

  #stopOnce(why: string): Promise<void> {
    this.#stopping ??= this.#drainAndClose(why).then(async () => {
      if (this.#exitCode === undefined) return;
      await untilWritten();
      process.exit(this.#exitCode);
    });
    return this.#stopping;
  }

  async #drainAndClose(why: string): Promise<void> {
    const startedMs = performance.now();
    const wasServing = this.#phase === 'serving';
    const times = exitTimes(this.killTimeoutMs, this.#resources.closable);
    this.#phase = 'stopping';
    this.#stopWatching();
    this.#starting.abort(new PlainError(why));
    await this.#started?.catch(() => {});
    const drained = await this.#drain(times.drainMs);
    const drainedMs = performance.now() - startedMs;
    const unclosed = await this.#resources.close(Math.max(0, times.closeMs - drainedMs));
    this.#phase = 'stopped';
    this.#tell(why, wasServing, summaryOf(drained, drainedMs, this.killTimeoutMs), drained.cut, unclosed);
    this.#ignoreSignals();
    await this.#engine.dispose();
  }

  async #drain(budgetMs: number): Promise<DrainResult> {
    let result: DrainResult = { finished: 0, closed: 0, cut: 0 };
    try {
      result = await this.#engine.drain({ budgetMs, last: true });
    } catch (error) {
      this.#log.error(`the drain failed: ${messageOf(error)}`);
    }
    // The servers do not listen any more. Now they are closed as the app sees it, too, and hold nothing.
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

function milliseconds(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isFinite(value) && value > 0 && value <= LONGEST_MS)) return value;
  throw new RangeError(`${name} must be milliseconds between 1 and ${LONGEST_MS}, got ${value}`);
}
