// One engine per process: knows its servers and how it stands towards its clients.

import type { ServerHttp2Session } from 'node:http2';
import type { Server } from 'node:net';
import type { ListenAddress, ServerInfo, ServingState } from '../contract/standing.ts';
import { attempt, guarded } from '../shared/guard.ts';
import { type Connection, inFlightOn, openConnections } from './connections.ts';
import { Drain } from './drain.ts';
import { GOAWAY_PATIENCE_MS, sayGoaway, sayGoawayWhileAnswering } from './endConnections.ts';
import { untilHandedOver } from './handover.ts';
import { LastResponses } from './keepAlive.ts';
import type { ServerInternals } from './nodeInternals.ts';
import { describeServers, listenAddresses, ownSockets } from './overview.ts';
import { addressOf, kindOf, ServerFinder } from './servers.ts';
import { acceptQueued, type StoppedServer, stopListening } from './stopListening.ts';
import type { DrainEngine, DrainOptions, DrainResult, OwnSocket } from './types.ts';

/** Makes an engine for this process. That costs a few subscriptions; the engine looks for servers on first use. */
export function createDrainEngine(): DrainEngine {
  return new Engine();
}

class Engine implements DrainEngine {
  readonly #finder = new ServerFinder();
  readonly #lastResponses = new LastResponses((server) => !this.#keepAlive || this.#drains(server));
  readonly #listeners = new Set<(state: ServingState) => void>();
  readonly #serverListeners = new Set<() => void>();
  /** The servers that the drain concerns, and what is needed to have them listen again. */
  readonly #owned = new Set<Server>();
  readonly #stopped = new Map<Server, StoppedServer>();
  readonly #undo: (() => void)[] = [];
  #sessionHooks: (() => void)[] = [];
  #keepAlive = true;
  #drained = false;
  /** Addresses that the drain leaves alone. */
  #except: ReadonlySet<string> = new Set();
  #drain: Drain | undefined;
  #resuming: Promise<string[]> | undefined;
  #disposed = false;
  #exiting = false;
  /** Resolves when the cluster's primary knows every server that has stopped. */
  #handedOver: Promise<void> | undefined;

  constructor() {
    this.#undo.push(
      this.#finder.onLearnt((server, byConnection) => {
        for (const listener of this.#serverListeners) listener();
        if (!byConnection) return;
        const drains = this.#drain !== undefined || this.#drained;
        if (drains && !this.#except.has(addressOf(server))) this.#stop(server);
        if (!this.#keepAlive) this.#hookSessions(server);
      }),
    );
  }

  state(): ServingState {
    if (this.#drain !== undefined) return 'draining';
    if (this.#drained) return 'drained';
    return this.#finder.listening().length > 0 ? 'serving' : 'no-server';
  }

  servers(): ServerInfo[] {
    return describeServers(this.#finder.all(), (server) => this.#isStopped(server));
  }

  addresses(): ListenAddress[] {
    return listenAddresses(this.#finder.listening(), (server) =>
      this.#isStopped(server) ? this.#stopped.get(server) : undefined,
    );
  }

  sockets(): OwnSocket[] {
    return ownSockets(this.#finder.listening().filter((server) => !this.#isStopped(server)));
  }

  totals(): { connections: number; inFlight: number } {
    const connections = openConnections(this.#finder.all());
    return {
      connections: connections.length,
      inFlight: connections.reduce((sum, connection) => sum + inFlightOn(connection), 0),
    };
  }

  openConnections(): number {
    return this.#finder.openConnections();
  }

  keepAlive(): boolean {
    return this.#keepAlive;
  }

  disableKeepAlive(): number {
    const connections = openConnections(this.#finder.all());
    if (this.#disposed) return connections.length;
    if (this.#keepAlive) {
      this.#keepAlive = false;
      this.#lastResponses.start();
      for (const server of this.#finder.all()) this.#hookSessions(server);
    }
    for (const { activity } of connections)
      if (activity.is === 'http2') attempt(() => sayGoawayWhileAnswering(activity.session, GOAWAY_PATIENCE_MS), false);
    return connections.length;
  }

  enableKeepAlive(): number {
    this.#keepAlive = true;
    for (const undo of this.#sessionHooks.splice(0)) attempt(undo, undefined);
    this.#settle();
    return openConnections(this.#finder.all()).length;
  }

  async drain(options: DrainOptions): Promise<DrainResult> {
    const budgetMs = Math.max(0, options.budgetMs);
    if (options.last !== true) return this.#drainOnce({ ...options, budgetMs });
    this.#exiting = true;
    const started = performance.now();
    const result = await this.#drainOnce({ ...options, budgetMs });
    // If the servers have stopped for this drain, the primary was asked then.
    this.#handedOver ??= untilHandedOver();
    await unlessLate(this.#handedOver, budgetMs - (performance.now() - started));
    return result;
  }

  async #drainOnce(options: DrainOptions): Promise<DrainResult> {
    const { budgetMs } = options;
    if (this.#drain !== undefined) {
      this.#drain.shorten(options);
      return this.#drain.done;
    }
    if (this.#resuming !== undefined) await this.#resuming.catch(() => {});
    const meanwhile = this.#drain as Drain | undefined;
    if (meanwhile !== undefined) return meanwhile.done;
    const nothing = { finished: 0, closed: 0, cut: 0 };
    this.#except = new Set(options.except ?? []);
    const servers = this.#finder.listening().filter((server) => !this.#except.has(addressOf(server)));
    if (this.#disposed) return nothing;
    // A drain that left connections open may be followed by one that finishes them.
    const idle = this.#drained || (servers.length === 0 && !this.#finder.blind);
    if (idle && this.#connections().length === 0) return nothing;

    const drain = new Drain(
      () => this.#connections(),
      (server) => this.#drains(server),
      options,
    );
    this.#drain = drain;
    for (const server of servers) this.#owned.add(server);
    this.#lastResponses.start();
    this.#tell();
    if (budgetMs > 0) await acceptQueued(() => this.#finder.accepted);
    if (!drain.over) {
      for (const server of servers) this.#stop(server);
      if (this.#exiting) this.#handedOver ??= untilHandedOver();
      drain.run();
    }
    const result = await drain.done;
    if (this.#drain === drain) {
      this.#drain = undefined;
      this.#drained = true;
      this.#tell();
    }
    return result;
  }

  resume(): Promise<string[]> {
    if (this.#exiting) return Promise.reject(new Error('this process is on its way out'));
    this.#resuming ??= this.#listenAgain().finally(() => {
      this.#resuming = undefined;
    });
    return this.#resuming;
  }

  leaving(): boolean {
    return this.#exiting;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    if (this.#drained || this.#drain !== undefined) await this.resume().catch(() => {});
    this.enableKeepAlive();
    for (const undo of this.#undo.splice(0)) attempt(undo, undefined);
    this.#finder.dispose();
    this.#listeners.clear();
    this.#serverListeners.clear();
  }

  onState(listener: (state: ServingState) => void): () => void {
    const safe = guarded(listener);
    this.#listeners.add(safe);
    return () => {
      this.#listeners.delete(safe);
    };
  }

  onServer(listener: () => void): () => void {
    const safe = guarded(listener);
    this.#serverListeners.add(safe);
    return () => {
      this.#serverListeners.delete(safe);
    };
  }

  async #listenAgain(): Promise<string[]> {
    const drain = this.#drain;
    this.#drain = undefined;
    drain?.stop();
    const wasStopped = drain !== undefined || this.#drained;
    const failures: Error[] = [];
    for (const [server, stopped] of this.#stopped) {
      try {
        await stopped.resume();
        this.#stopped.delete(server);
        this.#owned.delete(server);
      } catch (error) {
        failures.push(error as Error);
      }
    }
    if (failures.length === 0) this.#owned.clear();
    this.#drained = failures.length > 0;
    this.#settle();
    if (wasStopped) this.#tell();
    if (failures.length > 0)
      throw new AggregateError(
        failures,
        `${failures.length} server(s) do not listen again: ${failures.map(({ message }) => message).join('; ')}`,
      );
    return this.#finder.listening().map(addressOf);
  }

  #stop(server: ServerInternals): void {
    attempt(() => {
      this.#owned.add(server);
      const stopped = stopListening(server, this.#finder.optionsOf(server));
      if (stopped === undefined) return;
      this.#stopped.set(server, stopped);
      this.#handedOver = undefined;
    }, undefined);
  }

  #isStopped(server: ServerInternals): boolean {
    return this.#stopped.get(server)?.taken() === false;
  }

  /** Does the drain concern this server? Not if it has begun to listen since. A server that never listens gets its connections from
   * the app, and counts. */
  #drains(server: ServerInternals): boolean {
    if (this.#drain === undefined && !this.#drained) return false;
    if (server._handle === null) return true;
    return this.#owned.has(server) && this.#stopped.get(server)?.taken() !== true;
  }

  #connections(): Connection[] {
    return openConnections(this.#finder.all(), (server) => this.#drains(server));
  }

  /** While keep-alive is off, sends new HTTP/2 clients a GOAWAY after their first request. */
  #hookSessions(server: ServerInternals): void {
    if (kindOf(server) !== 'http2') return;
    const onSession = guarded((session: ServerHttp2Session) => {
      session.once(
        'stream',
        guarded(() => {
          if (!this.#keepAlive) sayGoaway(session);
        }),
      );
    });
    server.on('session', onSession);
    this.#sessionHooks.push(() => server.off('session', onSession));
  }

  /** Has responses end their connections during a drain and while keep-alive is off, and no longer. */
  #settle(): void {
    if (!this.#keepAlive || this.#drain !== undefined || this.#drained) this.#lastResponses.start();
    else this.#lastResponses.stop();
  }

  #tell(): void {
    const state = this.state();
    for (const listener of this.#listeners) listener(state);
  }
}

/** Waits for a promise, but not longer than `ms`. */
async function unlessLate(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms));
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
