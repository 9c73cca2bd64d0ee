// Closes the inspector that a signal has opened, and sees from outside that it is closed. The module does it after each attach;
// its successor and the guard do it for a module that died.

import { idleness } from '../../shared/linux/idleness.ts';
import { expectedPort } from '../../shared/linux/nodeOptions.ts';
import { isAlive, readStatus } from '../../shared/linux/proc.ts';
import {
  connectionsTo,
  hasOpen,
  type Listener,
  listeners,
  loopWatches,
  type OwnListener,
  ownSockets,
} from '../../shared/linux/sockets.ts';
import { pollUntil } from '../../shared/time.ts';
import { armCloserExpression, closeNowExpression, PROOF, type Proof } from './in-target.ts';
import { connect, InspectorError, type InspectorSession } from './inspector.ts';
import type { PendingClose } from './journal.ts';

const POLL_MS = 2;
/** A healthy app closes within a few milliseconds; after this many its event loop is taken for blocked. */
const ARMED_MS = 300;
const CLOSED_NOW_MS = 200;
/** An app that idles this long after the signal will not open an inspector any more. */
const VOID_MS = 1000;
/** One that was closed before its event loop turned may open once more when it does: the app closes that itself, and we look
 * for it until the app was seen idle, or for this long. */
const REOPEN_MS = 2000;
/** As VOID_MS, where an app that is blocked in the kernel may look idle. */
const VOID_UNCERTAIN_MS = 60_000;

/** Sockets of a process that may be its inspector's: it listens there, has not done so before, and its own event loop
 * does not watch them. The likeliest first. */
export function inspectorSockets(
  { pid, inodes, loopFd }: Omit<PendingClose, 'startTime'>,
  listening: readonly Listener[] = listeners(pid),
): OwnListener[] {
  const fresh = listening.filter(({ inode }) => !inodes.includes(inode));
  const own = ownSockets(pid, new Set(fresh.map(({ inode }) => inode)));
  if (!own || own.size === 0) return [];
  const expected = expectedPort(pid);
  // Which descriptor is its event loop can be told better at some moments than at others.
  const loop = idleness(pid).loopFd ?? loopFd;
  return fresh
    .flatMap((listener) => {
      const fd = own.get(listener.inode);
      return fd === undefined || (loop !== null && loopWatches(pid, loop, fd)) ? [] : [{ ...listener, fd }];
    })
    .sort((a, b) => Number(b.port === expected) - Number(a.port === expected));
}

/** Where to connect for a socket that listens. */
export function endpointOf({ host, port }: Listener): { host: string; port: number } {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  if (/^[0:]+$/.test(host)) return { host: '::1', port };
  return { host, port };
}

/** What the peer says about itself; null when it is another process than this one. */
export async function prove(session: InspectorSession, pid: number, timeoutMs: number): Promise<Proof | null> {
  const proof = (await session.evaluate(PROOF, { timeoutMs })) as Partial<Proof> | undefined;
  const expected = readStatus(pid)?.innerPid;
  if (expected === undefined || proof?.pid !== expected) return null;
  return { pid: expected, version: String(proof.version), builtin: proof.builtin === true };
}

export type CloseResult =
  /** It listens no more. */
  | 'closed'
  /** It was closed before the app's event loop turned, which still has the signal's second message: Node asks both V8, to
   * interrupt what runs, and the event loop to open the inspector (src/inspector_agent.cc, RequestIoThreadStart). */
  | 'may-reopen'
  /** What listens there is no inspector of this process. */
  | 'not-an-inspector'
  /** Somebody is connected, or the app does not answer. */
  | 'open';

/** Gets an inspector closed and sees that it is. `armed` when the app was told already and only has to be watched. */
export async function closeInspector(
  { pid, startTime }: PendingClose,
  socket: OwnListener,
  { armed, timeoutMs }: { armed: boolean; timeoutMs: number },
): Promise<CloseResult> {
  const deadline = performance.now() + timeoutMs;
  const isClosed = () => !hasOpen(pid, socket) || !isAlive({ pid, startTime });
  const closedWithin = (ms: number) =>
    pollUntil(isClosed, { everyMs: POLL_MS, timeoutMs: Math.min(ms, deadline - performance.now()) });
  if (await closedWithin(armed ? ARMED_MS : 0)) return 'closed';
  let forced = false;
  const done = () => (forced && isAlive({ pid, startTime }) ? 'may-reopen' : 'closed');
  for (let attempt = 0; performance.now() < deadline; attempt++) {
    // Somebody's debugger has found it meanwhile: theirs until they leave.
    if (connectionsTo(pid, socket.port) > 0) {
      if (await closedWithin(50)) return done();
      continue;
    }
    try {
      const session = await connect(endpointOf(socket), { timeoutMs: Math.max(50, deadline - performance.now()) });
      try {
        if (!(await prove(session, pid, ARMED_MS))) return 'not-an-inspector';
        // The first time without holding the app at all, then at once: its event loop may be blocked for long.
        if (attempt === 0 && !armed) {
          await session.evaluate(armCloserExpression(socket), { timeoutMs: ARMED_MS, commandLineApi: true });
        } else {
          forced = true;
          await session.evaluateAndLeave(closeNowExpression(socket), { commandLineApi: true });
        }
      } finally {
        await session.close();
      }
    } catch (error) {
      if (error instanceof InspectorError && error.code === 'no-inspector') return 'not-an-inspector';
    }
    if (await closedWithin(attempt === 0 && !armed ? ARMED_MS : CLOSED_NOW_MS)) return done();
  }
  return isClosed() ? done() : 'open';
}

/** Watches one signalled process until its inspector was seen closed, or it is gone. */
export class CloseWatch {
  /** Sockets that turned out to be something else. */
  readonly #others = new Set<string>();
  #idleSinceMs: number | null = null;
  #seen: OwnListener | null = null;
  #forcedMs: number | null = null;

  constructor(readonly pending: PendingClose) {}

  /** The inspector's socket, if it is open by now. */
  find(): OwnListener | null {
    const [socket] = inspectorSockets(this.pending).filter(({ inode }) => !this.#others.has(inode));
    if (socket) this.#seen = socket;
    return socket ?? null;
  }

  /** A socket was asked, and is none. */
  notAnInspector(socket: OwnListener): void {
    this.#others.add(socket.inode);
    if (this.#seen?.inode === socket.inode) this.#seen = null;
  }

  /** Was it closed by force, so that another signal would open it at once? */
  get mayReopen(): boolean {
    return this.#forcedMs !== null;
  }

  /** It was closed by force just now. */
  expectReopening(): void {
    this.#seen = null;
    this.#forcedMs = performance.now();
  }

  /** Whether there is nothing to close any more, as far as looking can tell. To be called repeatedly. */
  isOver(): boolean {
    if (!isAlive(this.pending)) return true;
    if (this.find()) return false;
    // It was open, and somebody has closed it.
    if (this.#seen) return true;
    // The signal reached it long ago, or was never sent: an idle app would have opened by now.
    const { idle, certain } = idleness(this.pending.pid);
    // Idle, its event loop has had what was there for it.
    if (this.#forcedMs !== null) return (idle && certain) || performance.now() - this.#forcedMs >= REOPEN_MS;
    if (!idle) this.#idleSinceMs = null;
    else this.#idleSinceMs ??= performance.now();
    const voidMs = certain ? VOID_MS : VOID_UNCERTAIN_MS;
    return this.#idleSinceMs !== null && performance.now() - this.#idleSinceMs >= voidMs;
  }

  /** Closes it if it is open; true when there is nothing to close any more. */
  async close(timeoutMs: number): Promise<boolean> {
    const socket = this.find();
    if (!socket) return this.isOver();
    const closing = await closeInspector(this.pending, socket, { armed: false, timeoutMs });
    if (closing === 'not-an-inspector') this.notAnInspector(socket);
    if (closing === 'may-reopen') this.expectReopening();
    return closing === 'closed';
  }
}
