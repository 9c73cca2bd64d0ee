// The PM2 client of the daemon that runs this module. A copy of our own would stop working when PM2 is upgraded, and it
// would double the install.
import { createRequire } from 'node:module';

/** A process as PM2's daemon lists it: the fields that the module reads. */
export interface Pm2Process {
  pid?: number;
  pm_id: number | string;
  name: unknown;
  pm2_env: {
    pm_id: number | string;
    status: string;
    namespace?: string;
    exec_mode: 'cluster_mode' | 'fork_mode';
    exec_interpreter?: string;
    pm_exec_path?: string;
    pmx_module?: boolean;
    max_memory_restart?: number;
    kill_timeout?: number;
    wait_ready?: boolean;
    treekill?: boolean;
    stop_exit_codes?: unknown;
    cron_restart?: string | number;
    node_args?: string[] | string;
    restart_time?: number;
    node_version?: unknown;
    /** When PM2 last started it, in milliseconds of Date.now(). */
    pm_uptime?: number;
    created_at?: number;
    env?: Record<string, unknown>;
    axm_actions?: ({ action_name?: unknown; opts?: { by?: unknown } | null } | null)[];
  };
}

type Callback<T> = (error: Error | null, value: T) => void;

/** The bus: everything that PM2's daemon publishes. */
export interface Pm2Bus {
  on(event: string, listener: (packet: never) => void): void;
}

/** The part of PM2's programmatic interface that the module uses (https://pm2.keymetrics.io/docs/usage/pm2-api/). */
export interface Pm2Client {
  connect(done: (error: Error | null) => void): void;
  disconnect(): void;
  list(done: Callback<Pm2Process[]>): void;
  launchBus(done: Callback<Pm2Bus>): void;
  sendDataToProcessId(packet: object, done: Callback<unknown>): void;
  /** Calls a method of the daemon (lib/Daemon.js, `server.expose`); PM2 5 to 7 have the same ones. */
  Client: { executeRemote(method: string, argument: unknown, done: Callback<unknown>): void };
}

/**
 * Loads PM2's client from the installation of PM2 that `pm2File` is part of.
 * @param pm2File such as `<pm2>/lib/ProcessContainerFork.js`, the `process.argv[1]` of every process that PM2 5 to 7 forks
 */
export function loadPm2(pm2File: string): Pm2Client {
  return createRequire(pm2File)('../index.js') as Pm2Client;
}
