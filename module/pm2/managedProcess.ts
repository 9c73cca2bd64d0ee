// A process as PM2's list describes it.

import { DEFAULT_NAMESPACE } from '../../contract/app.ts';
import { killTimeoutMsFrom, PM2_KILL_TIMEOUT_MS } from '../../contract/killTimeout.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Pm2Process } from './pm2Client.ts';

/** A process that PM2 manages. */
export interface ManagedProcess {
  pmId: PmId;
  pid: number;
  name: string;
  /** PM2's namespace; `default` if the app names none. */
  namespace: string;
  mode: 'cluster' | 'fork';
  /** PM2's word for its state: online, launching, stopping, stopped, errored. */
  status: string;
  /** A PM2 module, such as ours, and not an app. */
  isModule: boolean;
  /** The custom actions that PM2 lists for it. */
  actions: { name: string; ours: boolean }[];
  /** Bytes; 0 for none. */
  maxMemoryRestart: number;
  /** From SIGINT to SIGKILL. */
  killTimeoutMs: number;
  /** How often PM2 has started it again. */
  restarts: number;
  /** When PM2 first started it, by Date.now(). */
  createdMs: number;
  /** PM2 calls it online only when the app has sent `ready`. */
  waitReady: boolean;
  /** Marks an extra instance; the value says who started it. */
  standIn?: string;
  /** The version of its Node, as PM2 found it. */
  nodeVersion?: string;
  /** PM2 starts it with `--inspect`, which a cluster worker's command line does not show. */
  inspected?: true;
  /** When PM2 last started it, in milliseconds of Date.now(). */
  startedAt: number;
  /** PM2 signals its child processes together with it. */
  treekill?: boolean;
  /** When PM2 restarts it, as a crontab says it. */
  cronRestart?: string;
  /** Exit codes after which PM2 leaves it stopped. */
  stopExitCodes?: number[];
  /** The options of Node that PM2 starts it with. */
  nodeArgs?: string[];
  /** What runs its script: `node`, a path of one, or something else. */
  interpreter?: string;
}

/** The environment variable that marks an extra instance; its value says who started it. */
export const STAND_IN = 'PM2_OPS_STAND_IN';

/** A process decides the names and actions that PM2 lists for it, so the module reads only so many characters and actions. */
const LONGEST_NAME = 256;
const MOST_ACTIONS = 1_000;

/**
 * Reads one entry of PM2's list. A process can make PM2 list any name, actions and version of Node for it (lib/Daemon.js,
 * `axm:*`), of any type and length, so nothing of an entry is taken on trust.
 */
export function readManaged({ pid, pm_id, name, pm2_env }: Pm2Process): ManagedProcess {
  const standIn = pm2_env.env?.[STAND_IN];
  return {
    pmId: pm2_env.pm_id ?? pm_id,
    pid: pid ?? 0,
    name: typeof name === 'string' || typeof name === 'number' ? String(name).slice(0, LONGEST_NAME) : `id ${pm_id}`,
    namespace: pm2_env.namespace || DEFAULT_NAMESPACE,
    mode: pm2_env.exec_mode === 'cluster_mode' ? 'cluster' : 'fork',
    status: pm2_env.status,
    isModule: pm2_env.pmx_module === true,
    actions: (Array.isArray(pm2_env.axm_actions) ? pm2_env.axm_actions : [])
      .slice(0, MOST_ACTIONS)
      .flatMap((action) =>
        typeof action?.action_name === 'string'
          ? [{ name: action.action_name.slice(0, LONGEST_NAME), ours: action.opts?.by === 'pm2-ops' }]
          : [],
      ),
    maxMemoryRestart: Number(pm2_env.max_memory_restart) || 0,
    killTimeoutMs: killTimeoutMsFrom(pm2_env.kill_timeout) ?? PM2_KILL_TIMEOUT_MS,
    restarts: Number(pm2_env.restart_time) || 0,
    createdMs: Number(pm2_env.created_at) || 0,
    waitReady: pm2_env.wait_ready === true,
    ...(/--inspect(?!-port)/.test(String(pm2_env.node_args)) ? { inspected: true as const } : {}),
    ...(isVersion(pm2_env.node_version) ? { nodeVersion: pm2_env.node_version } : {}),
    startedAt: Number(pm2_env.pm_uptime) || 0,
    treekill: pm2_env.treekill === true,
    ...(pm2_env.cron_restart && String(pm2_env.cron_restart) !== '0'
      ? { cronRestart: String(pm2_env.cron_restart) }
      : {}),
    stopExitCodes: codesIn(pm2_env.stop_exit_codes),
    nodeArgs: [pm2_env.node_args ?? []].flat(),
    interpreter: String(pm2_env.exec_interpreter ?? ''),
    ...(typeof standIn === 'string' ? { standIn } : {}),
  };
}

/** Numbers or texts of them, one or several, as PM2 takes them (lib/God.js, `handleExit`). */
function codesIn(given: unknown): number[] {
  const codes = [given ?? []].flat().map((code) => Number.parseInt(String(code), 10));
  return codes.filter((code) => Number.isInteger(code));
}

function isVersion(given: unknown): given is string {
  return typeof given === 'string' && /^v?[\w.+-]{1,50}$/.test(given);
}
