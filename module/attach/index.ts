// Gets a script into a running Node process: opens its inspector by a signal, proves who is there, loads the script at a
// moment when the app is idle, leaves, and sees the inspector closed. What must never happen on the way, whoever dies at
// whichever point, is in the files beside this one; here is the order.

import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StackView } from '../../contract/stackView.ts';
import { clusterWorkersOf } from '../../shared/linux/clusterWorkers.ts';
import { idleness } from '../../shared/linux/idleness.ts';
import { kernelView } from '../../shared/linux/kernelView.ts';
import { expectedPort } from '../../shared/linux/nodeOptions.ts';
import { isAlive, type ProcessId, readStat } from '../../shared/linux/proc.ts';
import {
  connectionsTo,
  type Listener,
  listeners,
  type OwnListener,
  ownerOf,
  ownSockets,
} from '../../shared/linux/sockets.ts';
import { type Closing, closeInspector, endpointOf, inspectorSockets, Pursuit, prove } from './closing.ts';
import { workerDebts } from './clusterWorkers.ts';
import { Guardian } from './guardian.ts';
import {
  armCloserExpression,
  closeNowExpression,
  type LoadOutcome,
  loadExpression,
  OUTCOME_EXPRESSION,
  type Proof,
  SPARE_WORKERS_EXPRESSION,
} from './in-target.ts';
import { connect, type Endpoint, InspectorError, type InspectorSession } from './inspector.ts';
import { type Debt, Journal, same } from './journal.ts';
import { acquireLock, holderOfLock } from './lock.ts';
import { openInspectorOf } from './openInspector.ts';
import { type Fit, qualify } from './qualify.ts';
import { asWritten } from './sourceLines.ts';
import { isOneCallback, judge, judgeFromOutside, lookFromOutside, type Sampling, sample } from './stack.ts';
import { type Attached, AttemptFailed, type NotAttached, notAttached } from './verdict.ts';

export { openInspectorOf } from './openInspector.ts';
export { type Fit, qualify } from './qualify.ts';
export type { Attached, AttemptCode, NotAttached, Unfit, UnfitCode } from './verdict.ts';

/** What is loaded: the text of a self-contained CommonJS script that exports `install(argument)`. */
export interface Load {
  source: string;
  /** JSON. */
  argument: unknown;
  /** Asked in the last moment before the signal: is it still to be loaded? */
  isWanted?(): boolean;
}

/** The points of an attempt, in order; whoever dies at any of them leaves nothing open. */
export type Step =
  | 'locked'
  | 'journaled'
  | 'guarded'
  | 'signalled'
  | 'opened'
  | 'connected'
  | 'proven'
  | 'loaded'
  /** A look has its samples. */
  | 'sampled'
  | 'left'
  | 'closed';

export interface AttacherOptions {
  /** Folder of the journal; made (0700) when it is missing. */
  stateDir: string;
  /** Path of the built guard. */
  guardScript: string;
  log(line: string): void;
  /** Hears what became of a load for which `attach` had answered `blocked`. */
  onLate?(pid: number, outcome: Attached | NotAttached): void;
  /** For tests: called at every point of an attempt. */
  onStep?(step: Step, pid: number): void | Promise<void>;
}

export interface Attacher {
  /** Loads a script into a process. Never throws. Attempts are made one after the other; one that finds its process
   * blocked does not hold the next. */
  attach(pid: number, load: Load): Promise<Attached | NotAttached>;
  /** Where a process is right now, also in the middle of a loop that never ends. Never throws, and answers within
   * `LOOK_WITHIN_MS`; what V8 cannot say, the kernel's view says. */
  look(pid: number): Promise<StackView>;
  /** To be called once, before the first attach: closes what a predecessor that died has left open. */
  recover(): Promise<void>;
  /** Ends within about a second: what is under way is finished or given up, what is still owed is left to the guard. */
  close(): Promise<void>;
}

/** How long to wait for an idle moment before the signal, in milliseconds, and how often not to be put off. */
const IDLE_MS = 250;
const IDLE_POLL_MS = 2;
const MAX_BUSY_ATTEMPTS = 3;
/** How long the inspector may take to open, in milliseconds; 2 is usual. */
const OPEN_MS = 1000;
const OPEN_POLL_MS = 1;
const SCAN_POLL_MS = 20;
/** How long to look for a moment between two events, in milliseconds. */
const LOAD_MS = 100;
const ANSWER_MS = 1000;
/** How long a saturated app may take to give the script a turn of its own, in milliseconds; less than we wait. */
const OWN_TURN_MS = 800;
const OUTCOME_POLL_MS = 5;
const CLOSE_MS = 1000;
const LOCK_MS = 5000;
/** How often blocked processes are looked at, in milliseconds. */
const WATCH_MS = 25;
const LATE_RETRY_MS = 500;
/** A look at a process answers within this many milliseconds, and waits no longer than that for its turn and the lock. */
export const LOOK_WITHIN_MS = 9000;
const LOOK_TURN_MS = 4000;
const LOOK_LOCK_MS = 1000;
const RECOVER_MS = 1000;
const CLOSING_MS = 1000;
/** Waits before another attempt, in milliseconds. */
const SOON_MS = 250;
const LATER_MS = 2000;
const RARELY_MS = 30_000;
const OLDEST_NODE = 20;

/** A signalled process that has not opened its inspector yet, and what to load when it does. */
interface Waiting {
  pursuit: Pursuit;
  load: Load | null;
  /** Being served right now. */
  busy: boolean;
  /** When to look after it again, in milliseconds of performance.now(). */
  nextMs: number;
  /** Who waits for the outcome. */
  outcome: PromiseWithResolver<Attached | NotAttached | null>;
}

interface PromiseWithResolver<T> {
  promise: Promise<T>;
  resolve(value: T): void;
}

export function createAttacher(options: AttacherOptions): Attacher {
  return new LiveAttacher(options);
}

class LiveAttacher implements Attacher {
  private readonly journal: Journal;
  private readonly guardian: Guardian;
  private readonly abort = new AbortController();
  /** Ends with the attempt that is last in line. */
  private queue: Promise<unknown> = Promise.resolve();
  private readonly waiting = new Map<number, Waiting>();
  private watchTimer: NodeJS.Timeout | null = null;
  private readonly busyAttempts = new Map<number, { id: ProcessId; count: number }>();

  constructor(private readonly options: AttacherOptions) {
    this.journal = new Journal(options.stateDir);
    this.guardian = new Guardian(options.guardScript, this.journal.path);
  }

  async attach(pid: number, load: Load): Promise<Attached | NotAttached> {
    try {
      // Waiting for an idle moment takes long for busy processes: before their turn, and not at the others' expense.
      const process = this.fitOrFail(pid);
      if (!this.waiting.has(pid)) await this.awaitIdle(process);
      return await this.inTurn(() => this.attempt(process, load));
    } catch (error) {
      return asNotAttached(error);
    }
  }

  async look(pid: number): Promise<StackView> {
    const outlook = await lookFromOutside(pid);
    const fromOutside = (v8: 'silent' | 'needless' | 'closed', reason?: string) =>
      judgeFromOutside(outlook, kernelView(pid), v8, reason);
    try {
      const process = this.fitOrFail(pid);
      // One that waits for events half of the time is not stuck, and one that is blocked in the kernel cannot answer: neither
      // is opened for that.
      if (outlook.idle >= outlook.looks / 2 || outlook.blockedIn !== null) return fromOutside('needless');
      let begun = false;
      let late = false;
      const turn = this.inTurn(async () => {
        begun = true;
        return late ? null : this.lookInTurn(process);
      });
      const timely = async () => {
        await sleep(LOOK_TURN_MS, undefined, { ref: false });
        if (begun) await sleep(LOOK_WITHIN_MS - LOOK_TURN_MS - outlook.overMs, undefined, { ref: false });
        late = true;
        return null;
      };
      const sampling = await Promise.race([turn, timely()]);
      if (sampling) return judge(await asWritten(sampling, pid), kernelView(pid));
      return begun
        ? fromOutside('silent')
        : fromOutside('closed', 'other processes are being attached just now: ask again');
    } catch (error) {
      const { code, reason } = asNotAttached(error);
      return code === 'blocked' ? fromOutside('silent') : fromOutside('closed', reason);
    }
  }

  async recover(): Promise<void> {
    for (const debt of this.journal.owed) {
      if (!isAlive(debt)) this.journal.settle(debt);
      else if (!this.waiting.has(debt.pid)) this.follow(debt, null);
    }
    const settled = Promise.all([...this.waiting.values()].map(({ outcome }) => outcome.promise));
    await Promise.race([settled, sleep(RECOVER_MS, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    this.abort.abort();
    await Promise.race([this.queue, sleep(CLOSING_MS, undefined, { ref: false })]);
    if (this.watchTimer) clearInterval(this.watchTimer);
    this.watchTimer = null;
    this.guardian.dismiss();
  }

  /** Runs attempts one after the other. */
  private inTurn<T>(attempt: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(() => {
      if (this.abort.signal.aborted) throw closing();
      return attempt();
    });
    this.queue = turn.catch(() => {});
    return turn;
  }

  private async attempt(candidate: Fit, load: Load): Promise<Attached | NotAttached> {
    const began = performance.now();
    const late = this.waiting.get(candidate.pid);
    if (late && same(late.pursuit.debt, candidate)) return this.joinWaiting(late, load);
    // While it waited for its turn, it may have become another process, or one with its own handler.
    const process = this.fitOrFail(candidate.pid);
    const guardReady = this.guardian.ready();
    guardReady.catch(() => {});
    await this.awaitIdle(process);
    const lock = await acquireLock(LOCK_MS, this.abort.signal);
    if (!lock) {
      if (this.abort.signal.aborted) throw closing();
      throw lockHeld(LATER_MS);
    }
    try {
      await this.step('locked', process.pid);
      return await this.attachLocked(process, load, began, guardReady);
    } finally {
      await lock.release();
    }
  }

  private async attachLocked(
    candidate: Fit,
    load: Load,
    began: number,
    guardReady: Promise<void>,
  ): Promise<Attached | NotAttached> {
    const { pid } = candidate;
    const { loopFd, certain } = idleness(pid);
    const listening = listeners(pid);
    const open = await openInspectorOf(pid, { loopFd, certain }, listening);
    if (open) return this.loadIntoOpen(candidate, open, load, began);
    const debt = await this.sendSignal(candidate, listening, loopFd, guardReady, load.isWanted);
    const socket = await this.awaitOpen(debt);
    if (!socket) return this.notOpened(debt, load);
    await this.step('opened', pid);
    return this.serve(debt, socket, load, began);
  }

  /** Signals a process, once everything is prepared for what it owes then. */
  private async sendSignal(
    candidate: Fit,
    listening: readonly Listener[],
    loopFd: number | null,
    guardReady: Promise<void>,
    isWanted?: () => boolean,
  ): Promise<Debt> {
    const { pid, startTime } = candidate;
    if (candidate.blind && this.journal.wasSignalledOnce(candidate)) {
      throw new AttemptFailed(
        'signalled-before',
        'its signal handlers cannot be read, so it gets one SIGUSR1 in its life, and has had it: restart it to attach again',
        null,
      );
    }
    failIfUnwanted(isWanted);
    failIfPrimary(pid);
    await this.failIfPortTaken(pid, listening);
    try {
      await guardReady;
    } catch (error) {
      throw new AttemptFailed('no-guard', `no signal without the guard: ${(error as Error).message}`, RARELY_MS);
    }
    const inodes = listening.map(({ inode }) => inode);
    const own = ownSockets(pid, new Set(inodes));
    const debt: Debt = { pid, startTime, inodes: own ? [...own.keys()] : inodes, loopFd };
    this.writeJournal(() => this.journal.owe(debt));
    await this.step('journaled', pid);
    let signalled = false;
    try {
      await this.guardian.owe(debt);
      await this.step('guarded', pid);
      if (this.abort.signal.aborted) throw closing();
      // From here to the signal nothing may come in between.
      const process = this.fitOrFail(pid);
      if (!same(process, candidate)) throw new AttemptFailed('gone', `process ${pid} was replaced by another`, SOON_MS);
      failIfUnwanted(isWanted);
      if (process.blind) this.writeJournal(() => this.journal.rememberSignal(process));
      failIfPrimary(pid);
      signal(pid);
      signalled = true;
    } finally {
      if (!signalled) await this.strikeOut(debt);
    }
    await this.step('signalled', pid);
    return debt;
  }

  /** Loads through the inspector that the signal has opened, leaves and closes it. */
  private async serve(debt: Debt, socket: OwnListener, load: Load, began: number): Promise<Attached | NotAttached> {
    const { pid } = debt;
    const { value: loaded, failure } = await this.visit(debt, socket, load, async (session, proof) => {
      const value = await this.load(session, pid, load, proof, socket);
      await this.step('loaded', pid);
      return { value, leaving: 'armed' };
    });
    if (loaded) return { ok: true, ...loaded, ms: performance.now() - began, port: socket.port };
    if (!isAlive(debt)) return notAttached('gone', `process ${pid} ended while it was being attached`, null);
    return asNotAttached(failure);
  }

  /**
   * Does something through the inspector that a signal has opened, leaves, closes it and sees it closed; or follows it.
   * @param late what is loaded as soon as it answers, if it does not now
   * @param use says how to leave: the closer is armed already; it is to be; or the event loop does not turn, so that the
   *   inspector is closed at once
   */
  private async visit<T>(
    debt: Debt,
    socket: OwnListener,
    late: Load | null,
    use: (session: InspectorSession, proof: Proof) => Promise<{ value: T; leaving: 'armed' | 'arm' | 'force' }>,
  ): Promise<{ value: T | null; failure: unknown }> {
    const { pid } = debt;
    let value: T | null = null;
    let failure: unknown = null;
    let armed = false;
    let forced = false;
    try {
      const session = await connect(endpointOf(socket), { timeoutMs: ANSWER_MS });
      try {
        await this.step('connected', pid);
        const proof = await this.proveOrFail(session, pid);
        await this.spareWorkers(session, pid, proof);
        await this.step('proven', pid);
        const used = await use(session, proof);
        value = used.value;
        armed = used.leaving === 'armed' || (used.leaving === 'arm' && (await this.armCloser(session, null, socket)));
        forced = used.leaving === 'force';
        if (forced) await session.evaluateAndLeave(closeNowExpression(socket), { commandLineApi: true });
      } catch (error) {
        failure = error;
        armed = await this.armCloser(session, error, socket);
      } finally {
        await session.close();
      }
    } catch (error) {
      failure ??= error;
    }
    await this.step('left', pid);
    const timeoutMs = this.abort.signal.aborted ? CLOSE_MS / 2 : CLOSE_MS;
    let closed: Closing = await closeInspector(debt, socket, { armed: armed || forced, timeoutMs });
    if (forced && closed === 'closed' && isAlive(debt)) closed = 'may-reopen';
    // One that does not answer now gets its script when it does.
    const unanswered = failure instanceof AttemptFailed && ['blocked', 'busy'].includes(failure.outcome.code);
    if (closed === 'open' || closed === 'may-reopen') {
      const { pursuit } = this.follow(debt, unanswered || value !== null ? late : null);
      if (closed === 'may-reopen') pursuit.expectReopening();
    } else {
      await this.settle(debt);
      await this.step('closed', pid);
    }
    return { value, failure };
  }

  /** Workers that were forked between our last look and the signal's arrival have not come online yet: they are kept from
   * getting it, too. */
  private async spareWorkers(session: InspectorSession, pid: number, { builtin }: Proof): Promise<void> {
    if (clusterWorkersOf(pid).length === 0) return;
    const options = { timeoutMs: SOON_MS, commandLineApi: !builtin };
    // Where that fails, what they open is closed.
    await session.evaluate(SPARE_WORKERS_EXPRESSION, options).catch(() => {});
  }

  /** What the app was not told by a load, it is told now. Not a stranger, and not one who hangs. */
  private async armCloser(session: InspectorSession, error: unknown, closing: Endpoint): Promise<boolean> {
    const code = error instanceof AttemptFailed ? error.outcome.code : null;
    if (code === 'wrong-peer' || code === 'blocked') return false;
    try {
      await session.evaluate(armCloserExpression(closing), { timeoutMs: SOON_MS, commandLineApi: true });
      return true;
    } catch {
      return false;
    }
  }

  /** Loads through an inspector that somebody else opened, which stays open. */
  private async loadIntoOpen(process: Fit, socket: OwnListener, load: Load, began: number): Promise<Attached> {
    const { pid } = process;
    const session = await connect(endpointOf(socket), { timeoutMs: ANSWER_MS });
    try {
      await this.step('connected', pid);
      const proof = await this.proveOrFail(session, pid);
      await this.step('proven', pid);
      const loaded = await this.load(session, pid, load, proof, null);
      await this.step('loaded', pid);
      return { ok: true, ...loaded, ms: performance.now() - began, port: socket.port };
    } catch (error) {
      const { outcome } = error instanceof AttemptFailed ? error : { outcome: null };
      const someoneElse = connectionsTo(pid, socket.port) > 1;
      if (someoneElse && (outcome?.code === 'busy' || outcome?.code === 'blocked')) {
        throw new AttemptFailed('paused', 'looks paused in a debugger', RARELY_MS);
      }
      throw error;
    } finally {
      await session.close();
    }
  }

  private async lookInTurn(process: Fit): Promise<Sampling> {
    const guardReady = this.guardian.ready();
    guardReady.catch(() => {});
    const lock = await acquireLock(LOOK_LOCK_MS, this.abort.signal);
    if (!lock) throw lockHeld(SOON_MS);
    const { pid } = process;
    const waiting = this.waiting.get(pid);
    const late = waiting && same(waiting.pursuit.debt, process) ? waiting : null;
    // Whoever watches over it looks away meanwhile.
    if (late) late.busy = true;
    try {
      await this.step('locked', pid);
      return late ? await this.lookIntoWaiting(process, late, guardReady) : await this.lookLocked(process, guardReady);
    } finally {
      if (late) {
        late.busy = false;
        // Closed in the orderly way, it owes nothing any more.
        if (this.waiting.get(pid) === late && !this.journal.debtOf(process)) await this.endWaiting(late, null);
      }
      await lock.release();
    }
  }

  private async lookLocked(process: Fit, guardReady: Promise<void>): Promise<Sampling> {
    const { pid } = process;
    const { loopFd, certain } = idleness(pid);
    const listening = listeners(pid);
    const open = await openInspectorOf(pid, { loopFd, certain }, listening);
    if (open) return this.lookIntoOpen(pid, open);
    const debt = await this.sendSignal(process, listening, loopFd, guardReady);
    return this.lookWhenOpen(debt, null);
  }

  /** One that was signalled before: its inspector may be open now, or open again by another signal. */
  private async lookIntoWaiting(process: Fit, waiting: Waiting, guardReady: Promise<void>): Promise<Sampling> {
    const { pursuit, load } = waiting;
    const { debt } = pursuit;
    const socket = pursuit.find();
    if (socket) return this.lookInto(debt, socket, load);
    if (!pursuit.mayReopen) throw new AttemptFailed(...BLOCKED);
    const again = await this.sendSignal(process, listeners(debt.pid), debt.loopFd, guardReady);
    return this.lookWhenOpen(again, load);
  }

  private async lookWhenOpen(debt: Debt, late: Load | null): Promise<Sampling> {
    const socket = await this.awaitOpen(debt);
    if (!socket) {
      const { code, reason, retryAfterMs } = await this.notOpened(debt, late);
      throw new AttemptFailed(code, reason, retryAfterMs);
    }
    await this.step('opened', debt.pid);
    return this.lookInto(debt, socket, late);
  }

  private async lookInto(debt: Debt, socket: OwnListener, late: Load | null): Promise<Sampling> {
    const { value, failure } = await this.visit(debt, socket, late, async (session, proof) => {
      const value = await orBlocked(sample(session, debt.pid, !proof.builtin));
      await this.step('sampled', debt.pid);
      return { value, leaving: isOneCallback(value) ? 'force' : 'arm' };
    });
    if (value) return value;
    if (!isAlive(debt)) throw new AttemptFailed('gone', `process ${debt.pid} ended meanwhile`, null);
    throw failure;
  }

  /** Looks through an inspector that somebody else opened, which stays open. */
  private async lookIntoOpen(pid: number, socket: OwnListener): Promise<Sampling> {
    const session = await connect(endpointOf(socket), { timeoutMs: ANSWER_MS });
    try {
      const proof = await this.proveOrFail(session, pid);
      return await orBlocked(sample(session, pid, !proof.builtin));
    } finally {
      await session.close();
    }
  }

  private async proveOrFail(session: InspectorSession, pid: number): Promise<Proof> {
    const proof = await orBlocked(prove(session, pid, ANSWER_MS));
    if (!proof) throw new AttemptFailed('wrong-peer', 'another process answers on its inspector port', LATER_MS);
    if (Number.parseInt(proof.version.slice(1), 10) < OLDEST_NODE) {
      throw new AttemptFailed('old-node', `runs Node ${proof.version}; ${OLDEST_NODE} is the oldest supported`, null);
    }
    return proof;
  }

  /** Evaluates the script between two events of the app, never inside one. */
  private async load(
    session: InspectorSession,
    pid: number,
    load: Load,
    proof: Proof,
    closing: Endpoint | null,
  ): Promise<{ value: unknown; heldMs: number }> {
    const commandLineApi = !proof.builtin;
    const evaluate = async (ownTurnMs: number | null) => {
      const expression = loadExpression(load, { closing, ownTurnMs });
      const answer = await orBlocked(session.evaluate(expression, { timeoutMs: ANSWER_MS, commandLineApi }));
      return JSON.parse(String(answer)) as LoadOutcome;
    };
    const until = performance.now() + LOAD_MS;
    let outcome = await evaluate(null);
    while (!('value' in outcome) && performance.now() < until) {
      await sleep(1 + Math.random() * 10);
      await idleWithin(pid, 20);
      outcome = await evaluate(null);
    }
    if (!('value' in outcome)) outcome = await this.ownTurn(session, await evaluate(OWN_TURN_MS));
    if ('value' in outcome) return outcome;
    if ('failed' in outcome)
      throw new AttemptFailed('script-failed', `the script failed: ${outcome.failed}`, RARELY_MS);
    throw new AttemptFailed('busy', 'was in the middle of a request each time it was looked at', LATER_MS);
  }

  /** Waits for what a turn of its own brings, if one was granted. */
  private async ownTurn(session: InspectorSession, granted: LoadOutcome): Promise<LoadOutcome> {
    const deadline = performance.now() + ANSWER_MS;
    let outcome = granted;
    while ('pending' in outcome) {
      if (performance.now() >= deadline) throw new AttemptFailed(...BLOCKED);
      await sleep(OUTCOME_POLL_MS);
      const answer = await orBlocked(session.evaluate(OUTCOME_EXPRESSION, { timeoutMs: ANSWER_MS }));
      if (typeof answer === 'string') outcome = JSON.parse(answer) as LoadOutcome;
    }
    return outcome;
  }

  private fitOrFail(pid: number): Fit {
    const verdict = qualify(pid);
    if (verdict.fit) return verdict;
    throw new AttemptFailed(verdict.code, verdict.reason, verdict.retry ? SOON_MS : null);
  }

  /** Fails for a process that is never idle, unless it has been put off often enough: V8 runs us in its loops too. */
  private async awaitIdle(process: Fit): Promise<void> {
    if (await idleWithin(process.pid, IDLE_MS)) {
      this.busyAttempts.delete(process.pid);
      return;
    }
    const before = this.busyAttempts.get(process.pid);
    const count = before && same(before.id, process) ? before.count + 1 : 1;
    for (const [pid, { id }] of this.busyAttempts) if (!isAlive(id)) this.busyAttempts.delete(pid);
    this.busyAttempts.set(process.pid, { id: process, count });
    if (count <= MAX_BUSY_ATTEMPTS) throw new AttemptFailed('busy', `was never idle for ${IDLE_MS} ms`, SOON_MS);
  }

  /** A taken port would make the app write errors. */
  private async failIfPortTaken(pid: number, listening: readonly Listener[]): Promise<void> {
    const port = expectedPort(pid);
    if (port === 0) return;
    const inPlace = (among: readonly Listener[]) => among.find((other) => other.port === port);
    if (!inPlace(listening)) return;
    // One of those we wait for may have opened it just now, or this process itself once more; or it is gone already.
    const deadline = performance.now() + CLOSE_MS;
    let listener = inPlace(listeners(pid));
    while (listener && this.isOurs(listener, pid) && performance.now() < deadline) {
      await sleep(SCAN_POLL_MS);
      listener = inPlace(listeners(pid));
    }
    if (!listener) return;
    const owner = ownerOf(listener.inode) ?? 'another program';
    throw new AttemptFailed('port-taken', `${owner} listens on the inspector's port ${port}`, LATER_MS);
  }

  private isOurs({ inode }: Listener, candidate: number): boolean {
    return [candidate, ...this.waiting.keys()].some((pid) => ownSockets(pid, new Set([inode]))?.size);
  }

  /** The inspector's socket once it is open. The likely port is knocked at, which costs less than the kernel's tables;
   * those are read when someone answers, and now and then for any other port. */
  private async awaitOpen(debt: Debt): Promise<OwnListener | null> {
    const deadline = performance.now() + OPEN_MS;
    const port = expectedPort(debt.pid);
    let scanMs = performance.now() + SCAN_POLL_MS;
    while (isAlive(debt)) {
      if ((port !== 0 && (await answers(port))) || performance.now() >= scanMs) {
        const [socket] = inspectorSockets(debt);
        if (socket) return socket;
        scanMs = performance.now() + SCAN_POLL_MS;
      }
      if (performance.now() >= deadline || this.abort.signal.aborted) return null;
      await sleep(OPEN_POLL_MS);
    }
    return null;
  }

  private async notOpened(debt: Debt, load: Load | null): Promise<NotAttached> {
    if (!isAlive(debt)) {
      await this.settle(debt);
      return notAttached('gone', `process ${debt.pid} ended while it was being attached`, null);
    }
    this.follow(debt, load);
    return blocked();
  }

  /** Keeps an eye on a signalled process until it owes nothing. */
  private follow(debt: Debt, load: Load | null): Waiting {
    let resolve: Waiting['outcome']['resolve'] = () => {};
    const promise = new Promise<Attached | NotAttached | null>((settle) => {
      resolve = settle;
    });
    const waiting: Waiting = {
      pursuit: new Pursuit(debt),
      load,
      busy: false,
      nextMs: 0,
      outcome: { promise, resolve },
    };
    this.waiting.set(debt.pid, waiting);
    if (!this.abort.signal.aborted) {
      this.watchTimer ??= setInterval(() => this.watch(), WATCH_MS).unref();
    }
    return waiting;
  }

  private watch(): void {
    for (const waiting of this.waiting.values()) {
      if (waiting.busy || performance.now() < waiting.nextMs) continue;
      const socket = waiting.pursuit.find();
      if (waiting.pursuit.isOver()) {
        waiting.busy = true;
        void this.endWaiting(waiting, null);
      } else if (socket && this.mayAnswer(waiting.pursuit, socket)) {
        waiting.busy = true;
        this.inTurn(() => this.serveLate(waiting))
          .catch((error: unknown) => {
            if (!this.abort.signal.aborted) this.options.log(`attach: ${String(error)}`);
          })
          .finally(() => {
            waiting.busy = false;
            waiting.nextMs = performance.now() + LATE_RETRY_MS;
          });
      }
    }
    if (this.waiting.size === 0 && this.watchTimer) {
      clearInterval(this.watchTimer);
      this.watchTimer = null;
    }
  }

  /** Whether it is worth a turn: blocked in the kernel it would not answer, and a person's debugger is waited out. */
  private mayAnswer({ debt: { pid } }: Pursuit, { port }: Listener): boolean {
    if (connectionsTo(pid, port) > 0) return false;
    return idleness(pid).idle || readStat(pid)?.state === 'R';
  }

  /** Its inspector has opened at last. */
  private async serveLate(waiting: Waiting): Promise<void> {
    const { debt } = waiting.pursuit;
    const lock = await acquireLock(LOCK_MS, this.abort.signal);
    try {
      const socket = lock && waiting.pursuit.find();
      if (!socket) return;
      if (waiting.load) {
        await this.endWaiting(waiting, await this.serve(debt, socket, waiting.load, performance.now()));
      } else if (await waiting.pursuit.close(CLOSE_MS)) await this.endWaiting(waiting, null);
    } finally {
      await lock?.release();
    }
  }

  private async endWaiting(waiting: Waiting, outcome: Attached | NotAttached | null): Promise<void> {
    const { debt } = waiting.pursuit;
    // It may be followed anew, when its inspector could not be closed.
    if (this.waiting.get(debt.pid) === waiting) {
      this.waiting.delete(debt.pid);
      await this.settle(debt);
    }
    waiting.outcome.resolve(outcome);
    if (outcome && waiting.load) this.options.onLate?.(debt.pid, outcome);
  }

  /** Another attempt at a process that still has to answer the first signal: it gets no second one. */
  private async joinWaiting(waiting: Waiting, load: Load): Promise<Attached | NotAttached> {
    waiting.load = load;
    return blocked();
  }

  /** A signalled process owes nothing any more. Workers that it has forked meanwhile may have been signalled by it. */
  private async settle(debt: Debt): Promise<void> {
    for (const worker of workerDebts(debt.pid)) {
      if (this.journal.debtOf(worker)) continue;
      try {
        this.journal.owe(worker);
        await this.guardian.owe(worker);
      } catch (error) {
        this.options.log(
          `attach: nobody but this module watches over worker ${worker.pid}: ${(error as Error).message}`,
        );
      }
      this.follow(worker, null);
    }
    await this.strikeOut(debt);
  }

  private async strikeOut(debt: Debt): Promise<void> {
    try {
      this.journal.settle(debt);
    } catch (error) {
      this.options.log(`attach: cannot write the journal: ${(error as Error).message}`);
    }
    await this.guardian.paid(debt.pid);
  }

  private writeJournal(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw new AttemptFailed('no-journal', `no signal without the journal: ${(error as Error).message}`, RARELY_MS);
    }
  }

  private async step(step: Step, pid: number): Promise<void> {
    await this.options.onStep?.(step, pid);
  }
}

/** Whether anybody takes a connection on a port of this host. */
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

async function idleWithin(pid: number, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms;
  for (;;) {
    if (idleness(pid).idle) return true;
    if (performance.now() >= deadline) return false;
    await sleep(IDLE_POLL_MS);
  }
}

function failIfUnwanted(isWanted: Load['isWanted']): void {
  if (isWanted?.() === false) throw new AttemptFailed('unwanted', 'it has an agent by other means', null);
}

/** The primary of a cluster would hand the signal on to its workers. */
function failIfPrimary(pid: number): void {
  const workers = clusterWorkersOf(pid).map((worker) => worker.pid);
  if (workers.length === 0) return;
  const them = workers.length === 1 ? `process ${workers[0]}` : `processes ${workers.join(', ')}`;
  throw new AttemptFailed(
    'own-cluster',
    `the app forks workers of its own (${them}), and Node's cluster hands the signal of a live attach on to them`,
    null,
  );
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGUSR1');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') throw new AttemptFailed('gone', `process ${pid} is gone`, null);
    throw new AttemptFailed('no-permission', `cannot signal the process: ${message}`, null);
  }
}

/** No answer within the deadline means that its event loop is blocked. */
async function orBlocked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof InspectorError && error.code === 'timeout') throw new AttemptFailed(...BLOCKED);
    throw error;
  }
}

const BLOCKED = ['blocked', 'its event loop is blocked; it is attached as soon as it answers', LATER_MS] as const;

function blocked(): NotAttached {
  return notAttached(...BLOCKED);
}

function lockHeld(retryAfterMs: number): AttemptFailed {
  const holder = holderOfLock() ?? 'another process of this user';
  return new AttemptFailed(
    'lock-held',
    `one attach at a time on a host, and ${holder} is at it: ask again`,
    retryAfterMs,
  );
}

function closing(): AttemptFailed {
  return new AttemptFailed('closing', 'the module is going down', null);
}

function asNotAttached(error: unknown): NotAttached {
  if (error instanceof AttemptFailed) return error.outcome;
  if (error instanceof InspectorError) {
    if (error.code === 'exception')
      return notAttached('script-failed', `the script failed: ${error.message}`, RARELY_MS);
    return notAttached('connection', `the inspector's connection failed: ${error.message}`, LATER_MS);
  }
  return notAttached('internal', `unexpected: ${error instanceof Error ? error.stack : String(error)}`, RARELY_MS);
}
