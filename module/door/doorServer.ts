// Where processes come for their sockets: a Unix socket in the state folder, which only this user can enter. Each peer costs
// only itself: one request, small, in time.
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import * as z from 'zod/mini';
import type { AgentOptions } from '../../contract/agentMessages.ts';
import type { DoorReply, DoorRequest } from '../../contract/door.ts';
import type { Bindings, PassingPipe, SocketHandle } from '../../shared/ipc/bindings.ts';
import { speakOver } from '../../shared/ipc/lines.ts';

/** A request is there at once, and so is the reply read. */
const PEER_WITHIN_MS = 5_000;
const MOST_PEERS = 200;
/** The kernel takes no longer path for a socket (sockaddr_un). */
export const LONGEST_PATH_BYTES = 107;

export interface Taken {
  held: Map<string, SocketHandle>;
  /** For the agent of a process that starts. */
  agent?: AgentOptions;
}

export interface DoorHandlers {
  /** How long a process may keep what it has taken and does not listen on. */
  readonly limitMs: number;
  /** @param starts who has loaded the door into a process that starts @returns undefined: the door is not for it */
  take(pmId: number, pid: number, starts?: 'prepared' | 'itself'): Taken | undefined;
  /** Owns the socket. @returns why it is not held */
  put(put: Extract<DoorRequest, { ask: 'put' }>, handle: SocketHandle): string | undefined;
  leave(pmId: number, pid: number, at: readonly string[]): void;
}

const asker = { pmId: z.int().check(z.minimum(0)), pid: z.int().check(z.positive()) };
const address = z.string().check(z.maxLength(100));
const requests = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('take'), ...asker, starts: z.exactOptional(z.enum(['prepared', 'itself'])) }),
  z.object({
    ask: z.literal('put'),
    ...asker,
    at: address,
    prepared: z.exactOptional(z.literal(true)),
    handle: z.literal(true),
  }),
  z.object({ ask: z.literal('leave'), ...asker, at: z.array(address).check(z.maxLength(100)) }),
]) satisfies z.ZodMiniType<DoorRequest>;

/** @param onError it cannot be opened, or has failed */
export function openDoorServer(
  path: string,
  bindings: Bindings,
  handlers: DoorHandlers,
  onError: (error: Error) => void,
): Server {
  // Node's server accepts pipes that pass no sockets, so each gets a second pipe on its descriptor. To close both would close the
  // number twice, and it may be somebody else's by then: the second one stays for the next peer with that number.
  const pipes = new Map<number, PassingPipe>();
  rmSync(path, { force: true });
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {});
    try {
      serve(socket);
    } catch {
      socket.destroy();
    }
  });
  server.maxConnections = MOST_PEERS;
  server.on('error', onError);
  server.listen(path, () => chmodSync(path, 0o600));
  return server;

  function serve(socket: Socket): void {
    const fd = (socket as unknown as { _handle: { fd: number } })._handle.fd;
    const pipe = pipes.get(fd) ?? bindings.pipe();
    pipes.set(fd, pipe);
    if (pipe.open(fd) !== 0) throw new Error('the connection cannot pass sockets');
    const lines = speakOver(pipe, bindings, { onMessage: hear, onEnd: leave });
    const late = setTimeout(leave, PEER_WITHIN_MS);
    let isHeard = false;

    function hear(message: unknown, handle?: SocketHandle): void {
      const request = requests.safeParse(message);
      if (isHeard || !request.success || (request.data.ask === 'put') !== (handle !== undefined)) {
        handle?.close();
        leave();
        return;
      }
      isHeard = true;
      for (const [reply, held] of answer(request.data, handle)) lines.send(reply, held);
    }

    function leave(): void {
      clearTimeout(late);
      lines.stop();
      socket.destroy();
    }
  }

  function answer(request: DoorRequest, handle?: SocketHandle): [DoorReply, SocketHandle?][] {
    const { pmId, pid } = request;
    if (request.ask === 'put' && handle) {
      const refused = handlers.put(request, handle);
      return [[{ is: 'end', ...(refused === undefined ? {} : { refused }) }]];
    }
    if (request.ask === 'leave') {
      handlers.leave(pmId, pid, request.at);
      return [[{ is: 'end' }]];
    }
    const taken = request.ask === 'take' ? handlers.take(pmId, pid, request.starts) : undefined;
    if (!taken) return [[{ is: 'end', off: true }]];
    const { held, agent } = taken;
    return [
      ...[...held].map(([at, each]): [DoorReply, SocketHandle] => [{ is: 'held', at, handle: true }, each]),
      [{ is: 'end', limitMs: handlers.limitMs, ...(agent === undefined ? {} : { agent }) }],
    ];
  }
}
