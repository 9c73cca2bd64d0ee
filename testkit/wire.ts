// PM2's own sockets, spoken directly: a list in milliseconds instead of a command's half second, and the bus.
// Frames are AMP (version and count in one byte, then length-prefixed arguments `s:` string or `j:` JSON).

import { connect, type Socket } from 'node:net';
import { within } from './wait-for.ts';

type Argument = string | number | boolean | null | object;

function encode(args: Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from([(1 << 4) | args.length])];
  for (const arg of args) {
    const body = Buffer.from(typeof arg === 'string' ? `s:${arg}` : `j:${JSON.stringify(arg)}`);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    parts.push(length, body);
  }
  return Buffer.concat(parts);
}

/** Calls `onMessage` for each complete frame of `socket`. */
function decode(socket: Socket, onMessage: (args: unknown[]) => void): void {
  let chunks: Buffer[] = [];
  let size = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    let buffer = Buffer.concat(chunks, size);
    for (;;) {
      const frame = takeFrame(buffer);
      if (!frame) break;
      buffer = buffer.subarray(frame.bytes);
      onMessage(frame.args);
    }
    chunks = [buffer];
    size = buffer.length;
  });
}

function takeFrame(buffer: Buffer): { args: unknown[]; bytes: number } | undefined {
  if (buffer.length < 1) return undefined;
  const count = buffer[0]! & 0xf;
  const args: unknown[] = [];
  let at = 1;
  for (let i = 0; i < count; i++) {
    if (buffer.length < at + 4) return undefined;
    const length = buffer.readUInt32BE(at);
    at += 4;
    if (buffer.length < at + length) return undefined;
    const text = buffer.toString('utf8', at, at + length);
    at += length;
    args.push(text.startsWith('j:') ? JSON.parse(text.slice(2)) : text.startsWith('s:') ? text.slice(2) : text);
  }
  return { args, bytes: at };
}

/** Calls one method of the daemon (`getMonitorData`, `msgProcess`, …) on a connection of its own. */
export async function callDaemon(
  rpcSocket: string,
  method: string,
  args: Argument[] = [],
  timeoutMs = 10_000,
): Promise<unknown> {
  const socket = connect(rpcSocket);
  const answer = new Promise<unknown>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`the PM2 daemon closed the connection on ${method}`)));
    decode(socket, ([reply]) => {
      const { error, args: values } = reply as { error?: string; args?: unknown[] };
      if (error) reject(new Error(error));
      else resolve(values?.[0] ?? null);
    });
    socket.write(encode([{ type: 'call', method, args: args.length > 0 ? args : [{}] }, '1:1']));
  });
  try {
    return await within(timeoutMs, `the PM2 daemon's ${method}`, answer);
  } finally {
    answer.catch(() => {});
    socket.destroy();
  }
}

export interface Bus {
  /** All that came so far, oldest first. */
  events: { event: string; data: Record<string, unknown> }[];
  close(): void;
}

/** Everything that the daemon publishes from now on. */
export async function listenToBus(
  pubSocket: string,
  onEvent?: (event: string, data: Record<string, unknown>) => void,
): Promise<Bus> {
  const socket = connect(pubSocket);
  await within(
    5_000,
    'connecting to the bus',
    new Promise<void>((resolve, reject) => socket.once('error', reject).once('connect', resolve)),
  );
  socket.on('error', () => {});
  const events: Bus['events'] = [];
  decode(socket, ([event, data]) => {
    events.push({ event: String(event), data: data as Record<string, unknown> });
    onEvent?.(String(event), data as Record<string, unknown>);
  });
  return { events, close: () => socket.destroy() };
}
