// What the agent and the module say to each other over PM2's bus.
import type { ActionName } from './actions/index.ts';
import type { ErrorCode } from './errors.ts';
import type { ExitReport } from './exitReport.ts';
import type { ParamValues } from './params.ts';
import type { ActionProgress } from './progress.ts';
import type { ReplRequest } from './replRequest.ts';
import type { Reply } from './reply.ts';
import type { Standing } from './standing.ts';

/** How long an agent stays without its module: longer than any restart of the module, and short, so that an uninstalled module
 * leaves nothing behind for long. */
export const LEASE_MS = 60_000;

/** The options that the module gives an agent when it loads it, or welcomes one that the app has loaded itself. */
export interface AgentOptions {
  version: string;
  /** The folder for dumps and reports, writable by this process. */
  stateDir: string;
  /** The file whose mtime the module renews six times per lease. */
  leaseFile: string;
  /** After this time without its module, the agent disposes of itself. */
  leaseMs: number;
  /** Actions that the app has registered itself and keeps; the agent does not answer these. */
  takenActions: string[];
  /** PM2's `max_memory_restart` of this app: bytes, 0 if unset. */
  maxMemoryRestart: number;
  /** PM2's `kill_timeout` of this app. */
  killTimeoutMs: number;
  /** Drain on a signal if the app has no handler of its own? */
  graceful: 'auto' | 'off';
  /** How many of an app's newest heap dumps to keep, and their total size. */
  dumpKeep: number;
  dumpMaxBytes: number;
}

/** Was an action addressed to this one process, or to all of the app? PM2 does not tell it for a trigger without parameters. */
export type Addressed = 'id' | 'name' | 'unknown';

/** The type of every message that an agent sends over the bus; PM2 delivers it as `{ process, data, at }`. */
export const AGENT_MESSAGE = 'pm2-ops:agent';
/** The topic of every packet from the module to an agent. */
export const MODULE_TOPIC = 'pm2-ops:module';
/**
 * The `cmd` of every such packet. Node passes a message whose `cmd` begins with `NODE_` to `internalMessage` listeners and never to
 * the app's `message` listeners (lib/internal/child_process.js, isInternal). Node's own listeners ignore an unknown `cmd`.
 */
export const MODULE_CMD = 'NODE_PM2_OPS';

/** Agent → module. */
export type AgentMessage =
  /** An agent runs; with `nonce` it answers a welcome or its own load. */
  | ({
      kind: 'hello';
      nonce?: string;
      version: string;
      pid: number;
      kept: string[];
      wrapper: boolean;
      /** The app's own code loads the door at each start, so that its next process can take over what is held. */
      loadsDoor?: true;
    } & Standing)
  /** An agent that the module has not loaded by itself waits for its options. */
  | { kind: 'knock'; version: string; pid: number }
  | ({ kind: 'state'; pid: number } & Standing)
  /** The process exits now, after its drain. */
  | { kind: 'leaves'; report: ExitReport }
  /** May this instance perform the action? The coordinator, which knows all instances of the app, answers with a grant. */
  | {
      kind: 'ask';
      id: string;
      pid: number;
      action: ActionName;
      params: ParamValues;
      addressed: Addressed;
      heapUsed: number;
    }
  /** The granted action is over. */
  | { kind: 'done'; id: string; pid: number }
  /** The progress of a long action; with `nonce` it is one that `run` has started. */
  | { kind: 'progress'; pid: number; action: ActionName; nonce?: string; progress: ActionProgress }
  /** Asks the module to compress a file into another one while this process writes it. */
  | { kind: 'compress'; id: string; pid: number; from: string; to: string }
  /** The file is complete and has this size. Answered by a grant. */
  | { kind: 'compress-end'; id: string; pid: number; bytes: number }
  /** Asks for an `echo` back. When it comes, PM2 has done all that this process had asked of it before. */
  | { kind: 'echo'; id: string; pid: number }
  /** Answer to `run`. */
  | { kind: 'reply'; nonce: string; reply: Reply }
  /** The agent disposes of itself. `forGood`: another agent in this process would do the same. */
  | { kind: 'bye'; pid: number; reason: string; forGood?: boolean };

/** Module → agent, as `data` of a packet with MODULE_TOPIC. */
export type ModuleMessage =
  /** Gives the agent its options. Answered by `hello` with the nonce. */
  | { kind: 'welcome'; nonce: string; options: AgentOptions }
  /** Answers `ask` and `compress-end`. The names are those of 0.1, whose agents read it, too. */
  | { kind: 'verdict'; id: string; verdict: Grant }
  | { kind: 'echo'; id: string }
  /** PM2 starts this process's successor in a reload; the signal comes next. */
  | { kind: 'successor' }
  | { kind: 'run'; nonce: string; action: ActionName; params: Record<string, unknown> }
  /** Opens a REPL. Answered by `reply`. */
  | ({ kind: 'repl'; nonce: string } & ReplRequest)
  /** Hands the sockets that the app listens on to the module, at that Unix socket. Answered by `reply`. */
  | { kind: 'door'; nonce: string; path: string }
  | { kind: 'detach'; nonce: string };

/** The coordinator's answer to `ask`. `wait` only confirms the question; another answer follows within `ms`. */
export type Grant =
  /**
   * For a dump, `drain` tells whether siblings serve meanwhile, or why they do not. `alone` has the addresses of this process at
   * which no sibling listens.
   */
  | { is: 'go'; alone?: string[]; drain?: { may: true } | { may: false; reason: string } }
  | { is: 'wait'; ms: number; reason: string }
  | { is: 'skip'; reason: string }
  | { is: 'refuse'; code: ErrorCode; message: string; hint: string };
