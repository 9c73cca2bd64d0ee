// The inspector's port: checks before the signal that it is free, and finds the inspector after it.

import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectedPort } from '../../shared/linux/nodeOptions.ts';
import { isAlive } from '../../shared/linux/proc.ts';
import { type Listener, listeners, type OwnListener, ownerOf, ownSockets } from '../../shared/linux/sockets.ts';
import { pollUntil } from '../../shared/time.ts';
import { inspectorSockets } from './closing.ts';
import type { PendingClose } from './journal.ts';
import { AttemptFailed, RETRY_LATER_MS } from './outcome.ts';

/** How long the inspector may take to open; usually it takes 2 ms. */
const OPEN_MS = 1000;
const OPEN_POLL_MS = 1;
const SCAN_POLL_MS = 20;
const ANSWER_MS = 1000;
/** How long to wait until an inspector that we have opened is closed. */
const CLOSE_MS = 1000;

/**
 * Fails an attempt if the inspector's port is taken, because the app would then write errors.
 * @param listening the sockets that listened a moment ago
 * @param ours processes whose inspectors the module is about to close; waits for those
 */
export async function failIfPortTaken(
  pid: number,
  listening: readonly Listener[],
  ours: readonly number[],
): Promise<void> {
  const port = expectedPort(pid);
  if (port === 0) return;
  const inPlace = (among: readonly Listener[]) => among.find((other) => other.port === port);
  if (!inPlace(listening)) return;
  // The socket may belong to a process whose inspector is about to close, or to this process itself; or it is gone already.
  const isOurs = ({ inode }: Listener) => [pid, ...ours].some((each) => ownSockets(each, new Set([inode]))?.size);
  const look = () => {
    const listener = inPlace(listeners(pid));
    return listener && isOurs(listener) ? null : { listener };
  };
  const seen = await pollUntil(look, { everyMs: SCAN_POLL_MS, timeoutMs: CLOSE_MS });
  const listener = seen ? seen.listener : inPlace(listeners(pid));
  if (!listener) return;
  const owner = ownerOf(listener.inode) ?? 'another program';
  throw new AttemptFailed('port-taken', `${owner} listens on the inspector's port ${port}`, RETRY_LATER_MS);
}

/** Waits for the inspector to open; null if it does not in time. Connecting to the likely port costs less than reading the
 * kernel's tables; those are read when the port answers, and now and then for any other port. */
export async function awaitOpen(pending: PendingClose, stopping: AbortSignal): Promise<OwnListener | null> {
  const deadline = performance.now() + OPEN_MS;
  const port = expectedPort(pending.pid);
  let scanMs = performance.now() + SCAN_POLL_MS;
  while (isAlive(pending)) {
    if ((port !== 0 && (await answers(port))) || performance.now() >= scanMs) {
      const [socket] = inspectorSockets(pending);
      if (socket) return socket;
      scanMs = performance.now() + SCAN_POLL_MS;
    }
    if (performance.now() >= deadline || stopping.aborted) return null;
    await sleep(OPEN_POLL_MS);
  }
  return null;
}

/** Does a port of this host take a connection? */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.setTimeout(ANSWER_MS);
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}
