// What PM2's daemon tells on its bus of a process that starts, ends or is acted on. PM2 sends the app's whole environment with it, so
// only the fields that are named here are read.
import { DEFAULT_NAMESPACE } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';

export interface ProcessEvent {
  /** `online`, `exit`, `restart overlimit`, or what was done by a command: `restart`, `reload`, `stop`, `delete`. */
  event: string;
  /** Somebody did it by PM2's command line or API, which say so afterwards. */
  isManual: boolean;
  /** When the daemon sent it, in milliseconds of Date.now(). */
  at: number;
  pmId: PmId;
  name: string;
  namespace: string;
  mode: 'cluster' | 'fork';
  /** PM2's word for its state: `stopping` where PM2 ends it. */
  status: string;
  /** PM2 sets it anew when somebody has it restarted; 0 when it gave up. */
  createdMs: number;
  /** When this life of the process began, in milliseconds of Date.now(). */
  startedAt: number;
  /** How often PM2 had started it again. */
  restarts: number;
  /** What PM2 takes for its exit code. */
  code: number | undefined;
  stopExitCodes: number[];
  autorestart: boolean;
  /** Starts in a row that PM2 calls unstable. */
  unstableRestarts: number;
  /** Its pause before PM2 starts it again. */
  restartDelayMs?: number;
  /** A PM2 module, such as ours, and not an app. */
  isModule: boolean;
  cronRestart?: string;
  cwd?: string;
  deploy?: { version?: string; revision?: string; branch?: string };
}

/** Characters of one text. */
const LONGEST = 256;

/** @param sender PM2's environment of the process, with the app's own */
export function readProcessEvent(
  event: string,
  manually: unknown,
  at: unknown,
  sender: Record<string, unknown>,
): ProcessEvent {
  const cronRestart = text(sender.cron_restart);
  const cwd = text(sender.pm_cwd, 4 * LONGEST);
  const deploy = deployOf(sender);
  const code = Number(sender.exit_code ?? Number.NaN);
  return {
    event,
    isManual: manually === true,
    at: Number(at) || Date.now(),
    pmId: sender.pm_id as PmId,
    name: text(sender.name) ?? `id ${String(sender.pm_id)}`,
    namespace: text(sender.namespace) || DEFAULT_NAMESPACE,
    mode: sender.exec_mode === 'cluster_mode' ? 'cluster' : 'fork',
    status: String(sender.status),
    createdMs: Number(sender.created_at) || 0,
    startedAt: Number(sender.pm_uptime) || 0,
    restarts: Number(sender.restart_time) || 0,
    code: Number.isSafeInteger(code) ? code : undefined,
    stopExitCodes: [sender.stop_exit_codes ?? []].flat().slice(0, 256).map(Number),
    autorestart: sender.autorestart !== false && sender.autorestart !== 'false',
    unstableRestarts: Number(sender.unstable_restarts) || 0,
    isModule: sender.pmx_module === true,
    ...(Number(sender.restart_delay) > 0 ? { restartDelayMs: Number(sender.restart_delay) } : {}),
    ...(cronRestart && cronRestart !== '0' ? { cronRestart } : {}),
    ...(cwd === undefined ? {} : { cwd }),
    ...(deploy ? { deploy } : {}),
  };
}

function deployOf({ version, versioning }: Record<string, unknown>): ProcessEvent['deploy'] {
  const { revision, branch } = (versioning ?? {}) as Record<string, unknown>;
  const told = Object.entries({ version: text(version), revision: text(revision), branch: text(branch) }).filter(
    ([, value]) => value !== undefined && value !== 'N/A',
  );
  return told.length > 0 ? Object.fromEntries(told) : undefined;
}

/** An app can make PM2 say anything for some of these. */
function text(value: unknown, longest = LONGEST): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, longest) : undefined;
}
