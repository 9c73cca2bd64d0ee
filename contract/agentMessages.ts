// What the agent and the module say to each other over PM2's bus.
import type { ActionName } from './actions/index.ts';
import type { ErrorCode } from './errors.ts';
import type { ExitReport } from './exitReport.ts';
import type { ParamValues } from './params.ts';
import type { ActionProgress } from './progress.ts';
import type { ReplRequest } from './replRequest.ts';
import type { Reply } from './reply.ts';
import type { Standing } from './standing.ts';

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
  | { kind: 'leaves'; report: ExitReport }
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
