// Ends this process as PM2 asks, without cutting off a request, where the app would simply have died: on SIGINT, SIGTERM
// and PM2's `shutdown` message it drains and exits before SIGKILL comes. An app with a handler of its own is left to it.

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
  /** Is this process on its way out? Then nothing must make it listen again. */
  exiting(): boolean;
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
  let exiting = false;
  const insists = createInsistence();
  const handlers = EXIT_SIGNALS.map((signal) => [signal, ours(() => onSignal(signal))] as const);
  // Not before there is a server: a listener takes Node's default action away, and a busy script would not die at once.
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

  /** As without an agent: the signal itself ends the process, or goes to the listeners that remain. */
  function dieOf(signal: ExitSignal): void {
    uninstall();
    process.kill(process.pid, signal);
  }

  async function drainAndExit(on: ExitReport['on']): Promise<void> {
    exiting = true;
    const started = performance.now();
    const { killTimeoutMs } = options();
    // Whatever happens to the drain; the timer also keeps a process alive in which nothing else does.
    setTimeout(() => process.exit(0), exitDeadlineMs(killTimeoutMs));
    let result: DrainResult = { finished: 0, closed: 0, cut: 0 };
    try {
      result = await engine.drain({ budgetMs: budgetMsOf(killTimeoutMs), last: true });
    } catch {
      // The process exits all the same, and its report has no figures.
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
