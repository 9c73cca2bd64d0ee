// The agent's end of PM2's IPC channel. It speaks PM2's `axm:*` messages itself, because tx2 and pmx exit the process when a send
// fails. It never keeps a finishing app alive, never takes a message away from the app, and never shows it one of ours.
import { MODULE_CMD, MODULE_TOPIC } from '../contract/agentMessages.ts';
import { hideFromApp } from './hiding.ts';
import { ours } from './listeners.ts';

/** What the agent needs of PM2's channel. */
export interface Channel {
  /** Puts a message on PM2's bus. @returns false when the daemon is gone; never throws. */
  send(type: string, data: unknown): boolean;
  /** Has Node called back after a send? It does so by `process.nextTick`, as it delivers messages, and an app may have faked that. */
  calledBack(): boolean;
  /** Stops listening and gives the channel's reference count back. */
  close(): void;
}

/** The receiver of what comes over the channel. */
export interface Hearing {
  /** Gets the `data` of a packet from the module. */
  onPacket(data: unknown): void;
  /** Gets a message from PM2. @returns whether it was for us; then the app does not get it */
  onMessage(message: unknown): boolean;
  /** Is that message for us? */
  isOurs(message: unknown): boolean;
}

/** `process.channel` inside a child process; the two counters are Node's own (lib/internal/child_process.js, Control). */
interface IpcControl {
  refCounted?(): void;
  unrefCounted?(): void;
  [pending: symbol]: unknown;
}

interface Packet {
  cmd?: unknown;
  topic?: unknown;
  data?: unknown;
}

/**
 * Listens to the module and to PM2.
 * @returns null if there is no IPC channel, as in a process that PM2 did not start
 */
export function openChannel({ onPacket, onMessage, isOurs }: Hearing): Channel | null {
  const send = process.send;
  if (!send || !process.connected) return null;
  let calledBack = false;
  const onSent = () => {
    calledBack = true;
  };

  const heard = (message: unknown): boolean => {
    try {
      // A message of a module of 0.1: the app has seen it, and must not get it again from the list of pending ones.
      if ((message as Packet | null)?.topic === MODULE_TOPIC) return true;
      return onMessage(message);
    } catch {
      // Nothing of ours may throw into the app; a trigger that failed has had its reply.
      return true;
    }
  };
  const listener = ours((message: unknown, handle?: unknown) => {
    if (!heard(message)) giveBack(listener, message, handle);
  });
  // A listener to this event does not keep the process alive, and Node keeps early messages for the app's first `message` listener.
  const unseen = ours((packet: Packet | null) => {
    try {
      if (packet?.cmd === MODULE_CMD && packet.topic === MODULE_TOPIC) onPacket(packet.data);
    } catch {
      // Nothing of ours may throw into the app.
    }
  });
  process.on('message', listener);
  // A `message` listener keeps the process alive; ours must not. Balanced in close(), never channel.unref(), which would
  // override the app's own count.
  control()?.unrefCounted?.();
  const internal = process as NodeJS.EventEmitter;
  internal.on('internalMessage', unseen);
  const show = hideFromApp((message) => isOurs(message) && heard(message));

  return {
    send(type, data) {
      try {
        if (!process.connected) return false;
        // Without a callback a failed send is an `error` event on process, which ends the app.
        Reflect.apply(send, process, [{ type, data }, undefined, undefined, onSent]);
        return true;
      } catch {
        return false;
      }
    },
    calledBack: () => calledBack,
    close() {
      show();
      internal.removeListener('internalMessage', unseen);
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
