// The agent's end of PM2's IPC channel. Speaks PM2's `axm:*` messages itself, because tx2 and pmx exit the process when
// a send fails; never keeps a finishing app alive and never takes a message away from the app.
import { ours } from './listeners.ts';

/** What the agent needs of PM2's channel. */
export interface Channel {
  /** Puts a message on PM2's bus. @returns false when the daemon is gone; never throws. */
  send(type: string, data: unknown): boolean;
  /** Stops listening and gives the channel's reference count back. */
  close(): void;
}

/** `process.channel` inside a child process; the two counters are Node's own (lib/internal/child_process.js, Control). */
interface IpcControl {
  refCounted?(): void;
  unrefCounted?(): void;
  [pending: symbol]: unknown;
}

/**
 * Listens to PM2's messages.
 * @param onMessage gets every message, and says whether it was for us; must not throw
 * @returns null where there is no IPC channel, as in a process that PM2 did not start
 */
export function openChannel(onMessage: (message: unknown) => boolean): Channel | null {
  const send = process.send;
  if (!send || !process.connected) return null;

  const listener = ours((message: unknown, handle?: unknown) => {
    if (!onMessage(message)) giveBack(listener, message, handle);
  });
  process.on('message', listener);
  // A `message` listener keeps the process alive; ours must not. Balanced in close(), never channel.unref(), which would
  // override the app's own count.
  control()?.unrefCounted?.();

  return {
    send(type, data) {
      try {
        if (!process.connected) return false;
        // Without a callback a failed send is an `error` event on process, which ends the app.
        (send as (...args: unknown[]) => boolean).call(process, { type, data }, undefined, undefined, () => {});
        return true;
      } catch {
        return false;
      }
    },
    close() {
      if (!process.listeners('message').includes(listener)) return;
      control()?.refCounted?.();
      process.removeListener('message', listener);
    },
  };
}

function control(): IpcControl | undefined {
  return (process as unknown as { channel?: IpcControl }).channel;
}

/**
 * Node keeps messages that arrive before the first `message` listener and delivers them to it
 * (lib/internal/child_process.js, kPendingMessages). While ours is the only one, a message for the app goes back there,
 * so that a listener which the app adds later still gets it.
 */
function giveBack(listener: (message: unknown, handle?: unknown) => void, message: unknown, handle: unknown): void {
  try {
    const listeners = process.listeners('message') as unknown[];
    if (listeners.length !== 1 || listeners[0] !== listener) return;
    const channel = control();
    if (!channel) return;
    const symbol = Object.getOwnPropertySymbols(channel).find((s) => s.description === 'kPendingMessages');
    const pending = symbol && channel[symbol];
    if (Array.isArray(pending)) pending.push(['message', message, handle]);
  } catch {
    // Node without that list: nothing was queued before either.
  }
}
