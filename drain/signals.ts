// The signals and messages that tell a process to exit, and which of them insist. The agent (agent/graceful.ts) and the lifecycle
// (lifecycle/signals.ts) both use this. They differ on purpose in two points:
// - If the app has a handler of its own, the agent leaves the signal to it (agent/listeners.ts). The lifecycle is such a handler.
// - On a second signal, the lifecycle exits with the code that shells use. The agent removes its handlers and sends the signal
//   again, so that the process ends as it would without an agent, and its parent sees the signal.

/** The signals that ask a process to exit. */
export const EXIT_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
export type ExitSignal = (typeof EXIT_SIGNALS)[number];

/** PM2's message that asks for the same (with `shutdown_with_message`, and before the signal of a reload). */
export const SHUTDOWN_MESSAGE = 'shutdown';

/** The exit code of a process that a signal ends, as shells have it: 128 and the signal's number. */
export const EXIT_CODES: Record<ExitSignal, number> = { SIGINT: 130, SIGTERM: 143 };

/** On Ctrl-C, a terminal signals all processes, and npm or PM2 passes the signal on: within this time, both count as one. */
const SAME_SIGNAL_MS = 100;

/**
 * Returns a function to call on every signal. It tells whether this signal insists, that is, whether another one came more than
 * `SAME_SIGNAL_MS` before. PM2's SIGINT after its `shutdown` message is the first signal, because messages do not count.
 */
export function createInsistence(): () => boolean {
  let firstMs: number | undefined;
  return () => {
    const nowMs = performance.now();
    firstMs ??= nowMs;
    return nowMs - firstMs > SAME_SIGNAL_MS;
  };
}
