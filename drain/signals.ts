// Which signals and messages tell a process to exit, and which of them insist. The agent (agent/graceful.ts) and the lifecycle
// (lifecycle/signals.ts) both go by it. They differ on purpose in two things:
// - An app with a handler of its own is left to it by the agent (agent/listeners.ts tells). The lifecycle is such a handler.
// - A second signal: the lifecycle exits with the code that shells use. The agent takes its handlers out and sends the signal
//   again, so that the process ends as it would without an agent, and its parent sees the signal.

/** The signals that ask a process to exit. */
export const EXIT_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
export type ExitSignal = (typeof EXIT_SIGNALS)[number];

/** PM2's message that asks for the same (`shutdown_with_message`, and before a reload's signal). */
export const SHUTDOWN_MESSAGE = 'shutdown';

/** The exit code of a process that a signal ends, as shells have it: 128 and the signal's number. */
export const EXIT_CODES: Record<ExitSignal, number> = { SIGINT: 130, SIGTERM: 143 };

/** A terminal sends Ctrl-C to all processes while npm or PM2 passes it on: within that time it is one signal. */
const SAME_SIGNAL_MS = 100;

/**
 * Returns a function to call with every signal; it tells whether this one insists: whether another came before, and not only
 * just. PM2's SIGINT after its `shutdown` message is the first signal, because messages are not counted.
 */
export function createInsistence(): () => boolean {
  let firstMs: number | undefined;
  return () => {
    const nowMs = performance.now();
    firstMs ??= nowMs;
    return nowMs - firstMs > SAME_SIGNAL_MS;
  };
}
