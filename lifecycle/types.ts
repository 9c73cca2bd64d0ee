// What an app that uses the lifecycle passes in and gets back.

import type { Server } from 'node:net';

/** Something the service needs: a database, a queue, a cache. */
export interface Resource {
  /** As an operator calls it; it is in log lines and in `readiness()`. */
  name: string;
  /** Connects. The signal aborts when the start is given up. */
  open?(signal: AbortSignal): void | Promise<void>;
  /** Throws when it is not healthy. The signal aborts when `checkTimeoutMs` is over. */
  check?(signal: AbortSignal): void | Promise<void>;
  /** Ends its connections. The signal aborts when the time for it is over. */
  close?(signal: AbortSignal): void | Promise<void>;
}

/** Where the service says what happens. `console` is one, and so is a pino logger. */
export interface ServiceLog {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

export interface ServiceOptions {
  /** Opened in this order before anything listens, closed in reverse order after the last request. */
  resources?: readonly Resource[];
  /** Makes the first requests as fast as the later ones: fills caches, prepares statements. */
  warmUp?(signal: AbortSignal): void | Promise<void>;
  /** Makes the servers and calls their `listen`. Called only when all resources are open and all is warm, because a cluster
   * worker that listens gets traffic at once. */
  listen(service: Service): Server | readonly Server[] | Promise<Server | readonly Server[]>;
  /** How long after its signal the process may live. Default: PM2's `kill_timeout` for this app, 1600
   * under PM2 without one, else 10 000 (what `docker stop` gives). */
  killTimeoutMs?: number;
  /** How long opening, warming up and listening may take together. Default: 30 000. */
  startTimeoutMs?: number;
  /** How long the check of a resource may take. Default: 2000. */
  checkTimeoutMs?: number;
  /** Default: one line each on stdout and stderr. */
  log?: ServiceLog;
}

/** How the service stands towards its clients. It is `draining`, too, while `pm2 trigger web drain` keeps it so. */
export type ServiceState = 'starting' | 'serving' | 'draining' | 'stopped';

export interface Readiness {
  /** Serving, and every resource is healthy. */
  ready: boolean;
  state: ServiceState;
  /** One for each resource with a `check`; empty unless serving. */
  checks: readonly Check[];
}

export interface Check {
  name: string;
  ok: boolean;
  /** How long it took, in milliseconds. */
  ms: number;
  /** Why it is not ok. For those who run the service: it may name hosts, and is not for strangers. */
  error?: string;
}

export interface Service {
  readonly state: ServiceState;
  /** The one in force. */
  readonly killTimeoutMs: number;
  /** Checks all resources at the same time, each within `checkTimeoutMs`. Never rejects. Calls at the same time share one
   * round of checks. */
  readiness(): Promise<Readiness>;
  /** Drains, and closes the resources, as on a signal, but does not exit: when nothing else keeps the process alive, it
   * ends by itself. Never rejects. */
  stop(reason?: string): Promise<void>;
}
