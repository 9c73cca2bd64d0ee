// Messages and sockets over a pipe: one JSON text a line, and with each that has `handle: true` comes a socket.
import { attempt } from '../guard.ts';
import type { Bindings, PassingPipe, SocketHandle } from './bindings.ts';

/** A message is tens of characters. */
const LONGEST = 10_000;
/** Sockets that came and whose message has not. */
const MOST_WAITING = 16;

export interface Hearing {
  /** Whoever hears it owns the socket. */
  onMessage(message: unknown, handle?: SocketHandle): void;
  /** The other side has left, or sent something that is no message. Nothing follows. */
  onEnd(): void;
}

export interface Lines {
  /** @returns whether it is on its way */
  send(message: object, handle?: SocketHandle): boolean;
  /** Reads no more, and closes the sockets that nobody has heard of. The pipe stays open. */
  stop(): void;
}

/** Begins to read. */
export function speakOver(pipe: PassingPipe, bindings: Bindings, { onMessage, onEnd }: Hearing): Lines {
  const waiting: SocketHandle[] = [];
  let text = '';
  let over = false;

  pipe.pendingHandle = null;
  pipe.onread = (data) => {
    const handle = pipe.pendingHandle;
    pipe.pendingHandle = null;
    if (handle) waiting.push(handle);
    if (over) closeWaiting();
    else if (!data || !attempt(() => read(data), false)) end();
  };
  if (pipe.readStart() !== 0) end();

  return { send, stop };

  /** @returns false when something is wrong with it */
  function read(data: ArrayBuffer): boolean {
    text += Buffer.from(data).toString('latin1');
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as { handle?: unknown } | null;
      if (over) break;
      if (message?.handle !== true) onMessage(message);
      else {
        const handle = waiting.shift();
        if (!handle) return false;
        onMessage(message, handle);
      }
    }
    return text.length <= LONGEST && waiting.length <= MOST_WAITING;
  }

  function send(message: object, handle?: SocketHandle): boolean {
    if (over) return false;
    const line = `${JSON.stringify(message)}\n`;
    return attempt(() => pipe.writeUtf8String(bindings.writing(), line, handle), -1) === 0;
  }

  function end(): void {
    if (over) return;
    stop();
    onEnd();
  }

  function stop(): void {
    over = true;
    attempt(() => pipe.readStop(), 0);
    closeWaiting();
  }

  function closeWaiting(): void {
    for (const handle of waiting.splice(0)) handle.close();
  }
}

/** `0.0.0.0:3000`, `[::]:3000`; undefined where it is bound to nothing of that kind. */
export function addressOfHandle(handle: Pick<SocketHandle, 'getsockname'>): string | undefined {
  const name: { address?: string; port?: number } = {};
  if (attempt(() => handle.getsockname(name), -1) !== 0 || name.address === undefined || !name.port) return undefined;
  return name.address.includes(':') ? `[${name.address}]:${name.port}` : `${name.address}:${name.port}`;
}
