// Ends this process as PM2 asks, without cutting off a request, where the app would simply have died: on SIGINT, SIGTERM
// and PM2's `shutdown` message it drains and exits before SIGKILL comes. An app with a handler of its own is left to it.
import type { DrainEngine, DrainResult } from '../../lifecycle/drain/index.ts';
import type { AgentMessage, AgentOptions, GracefulBy, LeaveReport } from '../protocol.ts';
import { appHandlesMessages, appHandlesSignal, ours } from './listeners.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type Signal = (typeof SIGNALS)[number];

/** A terminal sends Ctrl-C to everybody while PM2 passes it on: within so many milliseconds it is one signal. */
const SAME_SIGNAL_MS = 100;
/** How long the log may take to be written, in milliseconds; part of the margin. */
const LAST_WRITE_MS = 50;
/** So many of the requests that were cut are in the log line. */
const LOGGED_REQUESTS = 5;

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

  async function leave(on: LeaveReport['on']): Promise<void> {
    left = true;
    const started = performance.now();
    const { killTimeoutMs } = options();
    const budgetMs = killTimeoutMs - marginMs(killTimeoutMs);
    // Whatever happens to the drain; it also keeps a process alive in which nothing else does.
    setTimeout(() => process.exit(0), budgetMs + marginMs(killTimeoutMs) / 2);
    let result: DrainResult = { finished: 0, closed: 0, cut: 0 };
    try {
      result = await engine.drain({ budgetMs });
    } catch {
      // Nobody is left to be told.
    }
    const report = reportOf(result, on, performance.now() - started, killTimeoutMs);
    tell({ kind: 'leaves', report });
    setTimeout(() => process.exit(0), LAST_WRITE_MS);
    try {
      process.stdout.write(`${lineOf(report)}\n`, () => process.exit(0));
    } catch {
      process.exit(0);
    }
  }
}

/** What is kept of kill_timeout, in milliseconds, for getting out: a tenth, between 100 and 500 ms, at most half. */
function marginMs(killTimeoutMs: number): number {
  return Math.min(500, Math.max(100, killTimeoutMs / 10), killTimeoutMs / 2);
}

function reportOf(result: DrainResult, on: string, ms: number, killTimeoutMs: number): LeaveReport {
  const { finished, closed, cut, cutRequests = [] } = result;
  return {
    pid: process.pid,
    on,
    ms: Math.round(ms),
    killTimeoutMs,
    finished,
    closed,
    cut,
    cutRequests: cutRequests.map(({ method, path }) => `${method} ${path}`),
    // How much longer they would have taken cannot be known: twice the time, and the next line says whether it was enough.
    ...(cut > 0 ? { suggestedKillTimeoutMs: Math.max(2_000, Math.ceil((killTimeoutMs * 2) / 1_000) * 1_000) } : {}),
  };
}

function lineOf(report: LeaveReport): string {
  const { on, ms, killTimeoutMs, finished, closed, cut, cutRequests, suggestedKillTimeoutMs } = report;
  const sum = `pm2-ops: ${on}: drained in ${ms} ms: ${finished} finished, ${closed} closed, ${cut} cut`;
  if (cut === 0) return sum;
  const named = cutRequests.slice(0, LOGGED_REQUESTS);
  const more = cut - named.length;
  const which = [...named, ...(more > 0 ? [`${more} ${named.length > 0 ? 'more' : 'not identified'}`] : [])].join(', ');
  return `${sum} (${which}); they did not fit into kill_timeout ${killTimeoutMs}, try kill_timeout ${suggestedKillTimeoutMs}`;
}
