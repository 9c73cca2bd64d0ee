// Closes the inspector that a signal has opened, and checks from outside that it is closed. The module does so after each
// attach; for a dead module, its successor and the guard do it.

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
import { armCloserExpression, closeNowExpression, PROOF, PROOF_BY_CONSOLE, type Proof } from './in-target.ts';
import { connect, InspectorError, type InspectorSession } from './inspector.ts';
import type { PendingClose } from './journal.ts';

const POLL_MS = 2;
/** A healthy app closes its inspector within a few milliseconds; one that takes longer than this has a blocked event loop. */
const ARMED_MS = 300;
const CLOSED_NOW_MS = 200;
/** An app that has idled this long after the signal does not open an inspector any more. */
const VOID_MS = 1000;
/** An inspector that was closed while the event loop was blocked may open once more when the loop turns. The app then closes it
 * itself; we watch until the app was seen idle, or for this long. */
const REOPEN_MS = 2000;
/** As VOID_MS, on hosts where an app that is blocked in the kernel may look idle. */
const VOID_UNCERTAIN_MS = 60_000;

/** Sockets that may be a process's inspector: it listens there, did not do so before the signal, and its event loop does not
 * watch them. The likeliest comes first. */
export function inspectorSockets(
  { pid, inodes, loopFd }: Omit<PendingClose, 'startTime'>,
  listening: readonly Listener[] = listeners(pid),
): OwnListener[] {
  const fresh = listening.filter(({ inode }) => !inodes.includes(inode));
  const own = ownSockets(pid, new Set(fresh.map(({ inode }) => inode)));
  if (!own || own.size === 0) return [];
  const expected = expectedPort(pid);
  // /proc tells the event loop's descriptor only at some moments, so the one seen before the signal may have to do.
  const loop = idleness(pid).loopFd ?? loopFd;
  return fresh
    .flatMap((listener) => {
      const fd = own.get(listener.inode);
      return fd === undefined || (loop !== null && loopWatches(pid, loop, fd)) ? [] : [{ ...listener, fd }];
    })
    .sort((a, b) => Number(b.port === expected) - Number(a.port === expected));
}

/** The address at which to connect to a listening socket. */
export function endpointOf({ host, port }: Listener): { host: string; port: number } {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  if (/^[0:]+$/.test(host)) return { host: '::1', port };
  return { host, port };
}

/** What the peer says about itself; null if it is not the process with this pid. */
export async function prove(session: InspectorSession, pid: number, timeoutMs: number): Promise<Proof | null> {
  const ask = async (expression: string, commandLineApi: boolean) =>
    ((await session.evaluate(expression, { timeoutMs, commandLineApi })) ?? {}) as Partial<Proof>;
  let proof = await ask(PROOF, false);
  if (proof.builtin !== true) proof = await ask(PROOF_BY_CONSOLE, true);
  const expected = readStatus(pid)?.innerPid;
  if (expected === undefined || proof.pid !== expected) return null;
  return { pid: expected, version: String(proof.version), builtin: proof.builtin === true };
}

export type CloseResult =
  | 'closed'
  /** It is closed, but the app's event loop was blocked and may open it once more: on the signal, Node asks both V8 and the
   * event loop to open the inspector (src/inspector_agent.cc, RequestIoThreadStart). */
  | 'may-reopen'
  /** The socket is no inspector of this process. */
  | 'not-an-inspector'
  /** A debugger is connected, or the app does not answer. */
  | 'open';

/** Closes an inspector and checks that it is closed. `armed`: the app was told to close it already, so only watch it. */
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
    // A person's debugger has connected meanwhile: wait until it disconnects.
    if (connectionsTo(pid, socket.port) > 0) {
      if (await closedWithin(50)) return done();
      continue;
    }
    try {
      const session = await connect(endpointOf(socket), { timeoutMs: Math.max(50, deadline - performance.now()) });
      try {
        if (!(await prove(session, pid, ARMED_MS))) return 'not-an-inspector';
        // The first try does not hold the app. If that fails, the event loop is blocked, and only a forced close works.
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

/** Watches one signalled process until its inspector was seen closed, or the process is gone. */
export class CloseWatch {
  /** Sockets that are no inspector. */
  readonly #others = new Set<string>();
  #idleSinceMs: number | null = null;
  #seen: OwnListener | null = null;
  #forcedMs: number | null = null;

  constructor(readonly pending: PendingClose) {}

  /** The inspector's socket; null while it is not open. */
  find(): OwnListener | null {
    const [socket] = inspectorSockets(this.pending).filter(({ inode }) => !this.#others.has(inode));
    if (socket) this.#seen = socket;
    return socket ?? null;
  }

  /** Records that a socket has answered, and is no inspector. */
  notAnInspector(socket: OwnListener): void {
    this.#others.add(socket.inode);
    if (this.#seen?.inode === socket.inode) this.#seen = null;
  }

  /** Did a forced close leave the signal's second message to the event loop? Another signal would then open it at once. */
  get mayReopen(): boolean {
    return this.#forcedMs !== null;
  }

  /** Records that the inspector was closed by force just now. */
  expectReopening(): void {
    this.#seen = null;
    this.#forcedMs = performance.now();
  }

  /** Is there nothing left to close, as far as /proc tells? To be called repeatedly. */
  isOver(): boolean {
    if (!isAlive(this.pending)) return true;
    if (this.find()) return false;
    // It was open and is not any more.
    if (this.#seen) return true;
    // An app that has idled for long opens no inspector any more: the signal was handled long ago, or never sent.
    const { idle, certain } = idleness(this.pending.pid);
    // An idle event loop has handled the signal's second message.
    if (this.#forcedMs !== null) return (idle && certain) || performance.now() - this.#forcedMs >= REOPEN_MS;
    if (!idle) this.#idleSinceMs = null;
    else this.#idleSinceMs ??= performance.now();
    const voidMs = certain ? VOID_MS : VOID_UNCERTAIN_MS;
    return this.#idleSinceMs !== null && performance.now() - this.#idleSinceMs >= voidMs;
  }

  /** Closes the inspector if it is open; true when there is nothing left to close. */
  async close(timeoutMs: number): Promise<boolean> {
    const socket = this.find();
    if (!socket) return this.isOver();
    const closing = await closeInspector(this.pending, socket, { armed: false, timeoutMs });
    if (closing === 'not-an-inspector') this.notAnInspector(socket);
    if (closing === 'may-reopen') this.expectReopening();
    return closing === 'closed';
  }
}
