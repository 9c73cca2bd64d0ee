// Ends this process on SIGINT, SIGTERM and PM2's `shutdown` message without cutting off a request: it drains, and exits before
// SIGKILL comes. If the app has a handler of its own, the agent leaves the signals to it.

import type { AgentMessage, AgentOptions } from '../contract/agentMessages.ts';
import type { ExitReport } from '../contract/exitReport.ts';
import type { GracefulBy } from '../contract/standing.ts';
import {
  budgetMsOf,
  createInsistence,
  type DrainEngine,
  type DrainResult,
  EXIT_SIGNALS,
  type ExitSignal,
  exitDeadlineMs,
  LAST_WRITE_MS,
  requestLines,
  SHUTDOWN_MESSAGE,
  suggestionFor,
  summaryOf,
} from '../drain/index.ts';
import { appHandlesMessages, appHandlesSignal, ours } from './listeners.ts';

export interface Graceful {
  /** Who handles signals, as of now. */
  by(): GracefulBy;
  /** Does this process exit? Then nothing may make it listen again. */
  exiting(): boolean;
  /** Handles PM2's `shutdown` message. @returns false if that is up to the app */
  shutdown(): boolean;
  /** Adds or removes the handlers; to be called when the setting may have changed. */
  update(): void;
  /** Removes our handlers, so that signals do what they did without us. */
  dispose(): void;
}

/**
 * @param options returns the current options
 * @param tell sends a message over the bus
 */
export function createGraceful(
  engine: DrainEngine,
  options: () => AgentOptions,
  tell: (message: AgentMessage) => void,
): Graceful {
  let installed = false;
  let disposed = false;
  let exiting = false;
  const insists = createInsistence();
  const handlers = EXIT_SIGNALS.map((signal) => [signal, ours(() => onSignal(signal))] as const);
  // Only once there is a server: a listener replaces Node's default action, and a busy script would not end at once.
  const forgetServer = engine.onServer(() => install());
  update();

  return { by, exiting: () => exiting, shutdown, update, dispose };

  function by(): GracefulBy {
    if (!installed) return 'off';
    return appHandlesSignal('SIGINT') ? 'app' : 'ours';
  }

  function update(): void {
    if (options().graceful === 'off') uninstall();
    else if (engine.state() !== 'no-server') install();
  }

  function install(): void {
    if (installed || disposed || exiting || options().graceful === 'off') return;
    installed = true;
    // Ours run first, because a handler that the app added with `once` is gone after it has run and would not be counted.
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

  function onSignal(signal: ExitSignal): void {
    try {
      if (appHandlesSignal(signal)) return;
      if (!exiting && !hasClients()) dieOf(signal);
      else onCountedSignal(signal);
    } catch {
      dieOf(signal);
    }
  }

  function onCountedSignal(signal: ExitSignal): void {
    const again = insists();
    if (!exiting) void drainAndExit(signal);
    else if (again) dieOf(signal);
  }

  function shutdown(): boolean {
    if (!installed) return false;
    if (exiting) return true;
    if (appHandlesMessages() || EXIT_SIGNALS.some(appHandlesSignal) || !hasClients()) return false;
    void drainAndExit(SHUTDOWN_MESSAGE);
    return true;
  }

  function hasClients(): boolean {
    return engine.state() !== 'no-server' || engine.totals().connections > 0;
  }

  /** Does what would happen without an agent: the signal ends the process, or goes to the remaining listeners. */
  function dieOf(signal: ExitSignal): void {
    uninstall();
    process.kill(process.pid, signal);
  }

  async function drainAndExit(on: ExitReport['on']): Promise<void> {
    exiting = true;
    const started = performance.now();
    const { killTimeoutMs } = options();
    // Exits even if the drain fails. The timer also keeps the process alive until the drain is over.
    setTimeout(() => process.exit(0), exitDeadlineMs(killTimeoutMs));
    let result: DrainResult = { finished: 0, closed: 0, cut: 0 };
    try {
      result = await engine.drain({ budgetMs: budgetMsOf(killTimeoutMs), last: true });
    } catch {
      // The process exits anyway, with a report without figures.
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
