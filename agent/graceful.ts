// Ends this process as PM2 asks, without cutting off a request, where the app would simply have died: on SIGINT, SIGTERM
// and PM2's `shutdown` message it drains and exits before SIGKILL comes. An app with a handler of its own is left to it.

import type { AgentMessage, AgentOptions } from '../contract/agentMessages.ts';
import type { ExitReport } from '../contract/exitReport.ts';
import type { GracefulBy } from '../contract/standing.ts';
import {
  type DrainEngine,
  type DrainResult,
  marginMs,
  requestLines,
  suggestionFor,
  summaryOf,
} from '../drain/index.ts';
import { appHandlesMessages, appHandlesSignal, ours } from './listeners.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type Signal = (typeof SIGNALS)[number];

/** A terminal sends Ctrl-C to everybody while PM2 passes it on: within so many milliseconds it is one signal. */
const SAME_SIGNAL_MS = 100;
/** How long the log may take to be written, in milliseconds; part of the margin. */
const LAST_WRITE_MS = 50;

export interface Graceful {
  /** Who handles signals, as of now. */
  by(): GracefulBy;
  /** Is this process on its way out? Then nothing must make it listen again. */
  leaving(): boolean;
  /** PM2's `shutdown` message came. @returns whether it was ours to handle */
  shutdown(): boolean;
  /** The setting may have changed. */
  update(): void;
  /** Takes our handlers out: what the signals did without us, they do again. */
  dispose(): void;
}

/**
 * @param options as they are at that moment
 * @param tell puts a message on the bus
 */
export function createGraceful(
  engine: DrainEngine,
  options: () => AgentOptions,
  tell: (message: AgentMessage) => void,
): Graceful {
  let installed = false;
  let disposed = false;
  let left = false;
  let signalledAtMs: number | undefined;
  const handlers = SIGNALS.map((signal) => [signal, ours(() => onSignal(signal))] as const);
  // Not before there is a server: a listener takes Node's default action away, and a busy script would not die at once.
  const forgetServer = engine.onServer(() => install());
  update();

  return { by, leaving: () => left, shutdown, update, dispose };

  function by(): GracefulBy {
    if (!installed) return 'off';
    return appHandlesSignal('SIGINT') ? 'app' : 'ours';
  }

  function update(): void {
    if (options().graceful === 'off') uninstall();
    else if (engine.state() !== 'no-server') install();
  }

  function install(): void {
    if (installed || disposed || left || options().graceful === 'off') return;
    installed = true;
    // First, because a handler that the app added with `once` is no longer counted after it has run.
    for (const [signal, handler] of handlers) process.prependListener(signal, handler);
  }

  function uninstall(): void {
    if (!installed) return;
    installed = false;
    for (const [signal, handler] of handlers) process.removeListener(signal, handler);
  }

  function dispose(): void {
    disposed = true;
    forgetServer();
    uninstall();
  }

  function onSignal(signal: Signal): void {
    try {
      if (appHandlesSignal(signal)) return;
      if (left) onNextSignal(signal);
      else if (hasClients()) onFirstSignal(signal);
      else dieOf(signal);
    } catch {
      dieOf(signal);
    }
  }

  function onFirstSignal(signal: Signal): void {
    signalledAtMs = performance.now();
    void leave(signal);
  }

  /** Whoever asks again does not want to wait. PM2's SIGINT after its `shutdown` message does not count as that. */
  function onNextSignal(signal: Signal): void {
    if (signalledAtMs === undefined) signalledAtMs = performance.now();
    else if (performance.now() - signalledAtMs > SAME_SIGNAL_MS) dieOf(signal);
  }

  function shutdown(): boolean {
    if (!installed) return false;
    if (left) return true;
    if (appHandlesMessages() || SIGNALS.some(appHandlesSignal) || !hasClients()) return false;
    void leave('shutdown');
    return true;
  }

  function hasClients(): boolean {
    return engine.state() !== 'no-server' || engine.totals().connections > 0;
  }

  /** As if we had not been there: the signal itself ends the process, or goes to whoever still listens. */
  function dieOf(signal: Signal): void {
    uninstall();
    process.kill(process.pid, signal);
  }

  async function leave(on: ExitReport['on']): Promise<void> {
    left = true;
    const started = performance.now();
    const { killTimeoutMs } = options();
    const budgetMs = killTimeoutMs - marginMs(killTimeoutMs);
    // Whatever happens to the drain; it also keeps a process alive in which nothing else does.
    setTimeout(() => process.exit(0), budgetMs + marginMs(killTimeoutMs) / 2);
    let result: DrainResult = { finished: 0, closed: 0, cut: 0 };
    try {
      result = await engine.drain({ budgetMs, last: true });
    } catch {
      // Nobody is left to be told.
    }
    const ms = performance.now() - started;
    tell({ kind: 'leaves', report: reportOf(result, on, ms, killTimeoutMs) });
    setTimeout(() => process.exit(0), LAST_WRITE_MS);
    try {
      process.stdout.write(`pm2-ops: ${on}: ${summaryOf(result, ms, killTimeoutMs)}\n`, () => process.exit(0));
    } catch {
      process.exit(0);
    }
  }
}

function reportOf(result: DrainResult, on: string, ms: number, killTimeoutMs: number): ExitReport {
  const { finished, closed, cut } = result;
  const suggested = suggestionFor(result, killTimeoutMs);
  return {
    pid: process.pid,
    on,
    ms: Math.round(ms),
    killTimeoutMs,
    finished,
    closed,
    cut,
    cutRequests: requestLines(result),
    ...(suggested === undefined ? {} : { suggestedKillTimeoutMs: suggested }),
  };
}
