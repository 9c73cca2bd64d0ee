// The vocabulary that the agent (inside every managed process) and the module share: action names, parameters,
// replies, failure codes and the messages that travel over PM2's own bus. Beside shell.ts and listensElsewhere.ts the only file both rooms import.

/** npm package, PM2 module and prefix of every message of ours. */
export const NAME = 'pm2-ops';

/** What the agent's script is called where V8 shows scripts, such as in a profile. */
export const AGENT_URL = 'pm2-ops:agent';

/** Actions that every managed process answers, in the order `pm2 show` lists them. */
export const ACTION_NAMES = [
  'heapdump',
  'disable-keepalive',
  'enable-keepalive',
  'drain',
  'resume',
  'ops-status',
  'cpu-profile',
  'heap-profile',
  'leak-report',
  'gc',
  'report',
] as const;
export type ActionName = (typeof ACTION_NAMES)[number];

/** Stable codes of failures; scripts match on them. */
export type ErrorCode =
  | 'E_PARAMS'
  | 'E_MEMORY'
  | 'E_DISK'
  | 'E_BUSY'
  | 'E_LAST'
  | 'E_TIMEOUT'
  | 'E_NO_SERVER'
  | 'E_STATE'
  | 'E_WRAPPER'
  | 'E_INTERNAL';

/** What an action answers when it did not do what was asked: what happened, with figures, and what to do next. */
export interface Failure {
  ok: false;
  action: string;
  code: ErrorCode;
  message: string;
  hint: string;
}

/** The part that every successful reply has. `ms` is how long the action took, in milliseconds. */
export interface Success {
  ok: true;
  action: string;
  pid: number;
  ms: number;
  [field: string]: unknown;
}

export type Reply = Success | Failure;

/** How the process stands towards its clients, in an operator's words. */
export type ServingState = 'serving' | 'draining' | 'drained' | 'no-server';

/** Who handles SIGINT, SIGTERM and PM2's `shutdown` message: we, by a drain; the app itself; or nobody, because it has no
 * server or the setting `graceful` is off. */
export type GracefulBy = 'ours' | 'app' | 'off';

/** How a process left that we drained on a signal. */
export interface LeaveReport {
  pid: number;
  /** `SIGINT`, `SIGTERM` or `shutdown`. */
  on: string;
  ms: number;
  killTimeoutMs: number;
  finished: number;
  closed: number;
  cut: number;
  /** `GET /path` of the first that were cut; of a tunnel or a raw connection, where it came from. */
  cutRequests: string[];
  /** The kill_timeout in milliseconds to try, where requests did not fit. */
  suggestedKillTimeoutMs?: number;
}

/** Where a process takes connections, also while it is drained. */
export interface ListenAddress {
  /** `0.0.0.0:3000`, `[::]:3000` or a socket's path. */
  at: string;
  /** The socket is the process's own: not one that a cluster's primary shares out among its workers. */
  own?: true;
  /** The system chose the port (the app asked for 0), so that nobody expects the same one again. */
  anyPort?: true;
}

/** How a process stands towards its clients and its signals, as its agent tells it. */
export interface Standing {
  state: ServingState;
  graceful: GracefulBy;
  addresses: ListenAddress[];
  /** It is drained because somebody insisted (`force`), or for something that brings it back itself: nobody else is to. */
  stays?: true;
}

/** One parameter of an action, declared as data so that validation and help come from one place. */
export interface ParamSpec {
  type: 'boolean' | 'milliseconds' | 'seconds';
  default: boolean | number;
  /** Bounds for times, in their unit. */
  min?: number;
  max?: number;
  help: string;
}

export const PARAMS: Record<ActionName, Record<string, ParamSpec>> = {
  heapdump: {
    gzip: { type: 'boolean', default: false, help: 'compress the file (.heapsnapshot.gz)' },
    force: { type: 'boolean', default: false, help: 'dump even if memory or disk look too small' },
    all: { type: 'boolean', default: false, help: 'every instance of the app, one after the other' },
    scale: {
      type: 'boolean',
      default: false,
      help: 'in a cluster: add a sibling for the time of the dump where none serves',
    },
    timeout: {
      type: 'milliseconds',
      default: 90_000,
      min: 0,
      max: 3_600_000,
      help: 'how long the drain before it may take; what is not done by then is left open, never cut',
    },
  },
  'disable-keepalive': {},
  'enable-keepalive': {},
  drain: {
    timeout: {
      type: 'milliseconds',
      default: 10_000,
      min: 0,
      max: 3_600_000,
      help: 'how long requests in flight, tunnels and raw connections may take before they are cut',
    },
    force: { type: 'boolean', default: false, help: 'drain even the last instance that serves' },
  },
  resume: {},
  'ops-status': {},
  'cpu-profile': {
    seconds: { type: 'seconds', default: 10, min: 1, max: 600, help: 'how long to sample' },
  },
  'heap-profile': {
    seconds: { type: 'seconds', default: 10, min: 1, max: 600, help: 'how long to sample' },
    garbage: { type: 'boolean', default: false, help: 'count also what was collected meanwhile, not only what stays' },
  },
  'leak-report': {
    seconds: { type: 'seconds', default: 60, min: 5, max: 3600, help: 'how long to watch; longer is surer' },
  },
  gc: {},
  report: {},
};

/** The latest moment at which an action has replied, in milliseconds, beside the time that its own parameters ask for. */
const DEADLINES_MS: Record<ActionName, number> = {
  heapdump: 15 * 60_000,
  'disable-keepalive': 5_000,
  'enable-keepalive': 5_000,
  drain: 5_000,
  resume: 10_000,
  'ops-status': 5_000,
  'cpu-profile': 60_000,
  'heap-profile': 60_000,
  'leak-report': 60_000,
  gc: 60_000,
  report: 60_000,
};

/** When an action has replied at the latest, in milliseconds, with what its parameters of type milliseconds and seconds add. */
export function deadlineMs(action: ActionName, params: Record<string, unknown>): number {
  let sumMs = DEADLINES_MS[action];
  for (const [name, { type, default: standard }] of Object.entries(PARAMS[action])) {
    const value = Number(params[name] ?? standard);
    if (type !== 'boolean' && value > 0) sumMs += type === 'seconds' ? value * 1000 : value;
  }
  return sumMs;
}

/** Values of an action's parameters after validation: every declared key is present. */
export type ParamValues = Record<string, boolean | number>;

/** A server of the process as `ops-status` shows it. */
export interface ServerInfo {
  kind: 'http' | 'https' | 'http2' | 'net' | 'tls';
  /** `0.0.0.0:3000`, `[::]:3000` or a socket's path. */
  address: string;
  listening: boolean;
  connections: number;
  inFlight: number;
  /** How long it keeps an idle connection open, in milliseconds; 0 for ever, or for no time: HTTP servers have it. */
  keepAliveTimeoutMs?: number;
}

/**
 * How long after a trigger its reply may go out, in milliseconds: one that overtakes the daemon's own answer to `pm2 trigger`
 * is printed but never counted, and the command waits for ever (PM2's lib/API/Extra.js, `process_wait_count`).
 */
export const REPLY_AFTER_MS = 25;

/** Fast, and already a sixth of a heap dump's size; a higher level costs time for little. */
export const GZIP_LEVEL = 1;

/** How long the agent stays without a sign of its module, in milliseconds: longer than any restart, short enough that
 * an uninstalled module leaves nothing behind for long. */
export const LEASE_MS = 60_000;

/** What the module tells an agent when it loads it or welcomes one that an app loaded itself. */
export interface AgentOptions {
  version: string;
  /** Folder for dumps, reports and the lease, writable by this process. */
  stateDir: string;
  /** File whose mtime the module renews six times per lease. */
  leaseFile: string;
  /** After this many milliseconds without its module the agent has taken itself out. */
  leaseMs: number;
  /** Actions that the app registered itself; ours step back for these. */
  takenActions: string[];
  /** PM2's `max_memory_restart` of this app in bytes, 0 if unset. */
  maxMemoryRestart: number;
  /** PM2's `kill_timeout` of this app in milliseconds. */
  killTimeoutMs: number;
  /** Drain on a signal where the app has no handler of its own? */
  graceful: 'auto' | 'off';
  /** Newest heap dumps to keep for an app, and their total size in bytes. */
  dumpKeep: number;
  dumpMaxBytes: number;
}

/** Was an action meant for this one process? PM2 does not say for a trigger without parameters. */
export type Addressed = 'id' | 'name' | 'unknown';

/** How far a long action is. */
export interface ActionProgress {
  /** One word for a person: `draining`, `writing`, … */
  phase: string;
  /** More of it, such as `3 requests in flight`. */
  detail?: string;
  /** A file that grows meanwhile: its size is looked at from outside, also while the event loop stands still. */
  file?: string;
}

/** Type of every message that an agent puts on the bus; PM2 delivers it as `{ process, data, at }`. */
export const AGENT_MESSAGE = 'pm2-ops:agent';
/** Topic of every packet from the module to an agent. */
export const MODULE_TOPIC = 'pm2-ops:module';
/**
 * `cmd` of every such packet. Node hands a message whose `cmd` begins with `NODE_` to `internalMessage` listeners and never
 * to the app's `message` listeners (lib/internal/child_process.js, isInternal); its own ignore a `cmd` that they do not know.
 */
export const MODULE_CMD = 'NODE_PM2_OPS';

/** Agent → module. */
export type AgentMessage =
  /** An agent is up; with `nonce` it answers a welcome or its own load. */
  | ({
      kind: 'hello';
      nonce?: string;
      version: string;
      pid: number;
      kept: string[];
      wrapper: boolean;
    } & Standing)
  /** The app loaded the agent itself and waits for its options. */
  | { kind: 'knock'; version: string; pid: number }
  | ({ kind: 'state'; pid: number } & Standing)
  /** It exits now, drained. */
  | { kind: 'leaves'; report: LeaveReport }
  /** May I? The coordinator decides over the instances of an app. */
  | {
      kind: 'ask';
      id: string;
      pid: number;
      action: ActionName;
      params: ParamValues;
      addressed: Addressed;
      heapUsed: number;
    }
  /** What was granted is over. */
  | { kind: 'done'; id: string; pid: number }
  /** A long action tells how far it is; with `nonce` it is one that `run` asked for. */
  | { kind: 'progress'; pid: number; action: ActionName; nonce?: string; progress: ActionProgress }
  /** Please compress that file into the other while it is being written; it is whole with so many bytes. Answered by a verdict. */
  | { kind: 'compress'; id: string; pid: number; from: string; to: string }
  | { kind: 'compress-end'; id: string; pid: number; bytes: number }
  /** Please say the same back: then PM2 has done all that this process had asked of it before. */
  | { kind: 'echo'; id: string; pid: number }
  /** Answer to `run`. */
  | { kind: 'reply'; nonce: string; reply: Reply }
  /** `forGood`: another agent in this process would fare no better. */
  | { kind: 'bye'; pid: number; reason: string; forGood?: boolean };

/** Module → agent, as `data` of a packet with MODULE_TOPIC. */
export type ModuleMessage =
  /** Are you there? Here are your options. Answered by `hello` with the nonce. */
  | { kind: 'welcome'; nonce: string; options: AgentOptions }
  | { kind: 'verdict'; id: string; verdict: Verdict }
  | { kind: 'echo'; id: string }
  /** A reload is starting this process's successor: a signal comes next. */
  | { kind: 'successor' }
  | { kind: 'run'; nonce: string; action: ActionName; params: Record<string, unknown> }
  /** Open a REPL. Answered by `reply`. */
  | ({ kind: 'repl'; nonce: string } & ReplRequest)
  | { kind: 'detach'; nonce: string };

/** What a REPL is made of: the sources of its two parts, and what the thread that serves its socket has to know. */
export interface ReplRequest {
  source: string;
  worker: string;
  data: ReplData;
}

export interface ReplData {
  folder: string;
  socket: string;
  token: string;
  audit: string;
  /** Milliseconds without a word after which it ends, and within which somebody has to come. */
  idleMs: number;
  comesWithinMs: number;
  /** Written with every line of the audit. */
  who: { user: string; uid: number; app: string; pm_id: string; pid: number };
}

/** The coordinator's answer to `ask`. `wait` only says that it was heard; another verdict follows within `ms`. */
export type Verdict =
  /**
   * With `drain`, for a dump: siblings serve meanwhile, or why they do not. `alone` are addresses of this process at which no
   * sibling listens.
   */
  | { is: 'go'; alone?: string[]; drain?: { may: true } | { may: false; reason: string } }
  | { is: 'wait'; ms: number; reason: string }
  | { is: 'skip'; reason: string }
  | { is: 'refuse'; code: ErrorCode; message: string; hint: string };
