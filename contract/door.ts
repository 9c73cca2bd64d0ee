// The door: the module holds listening sockets of apps, so that a restart leaves no moment without one. What a process and the
// module say to each other on its Unix socket: one JSON text a line, one request a connection.

import type { AgentOptions } from './agentMessages.ts';

/** Its file, in the state folder. */
export const DOOR_SOCKET = 'door.sock';
/** What a prepared process loads before its app, in the state folder. */
export const DOOR_FILE = 'door.cjs';
/** The agent that the door starts, beside it. */
export const DOOR_AGENT_FILE = 'agent.cjs';

/** How long a process waits for the module's answer, in milliseconds; the module answers within one. */
export const DOOR_ANSWERS_WITHIN_MS = 1_000;

/** Who asks: PM2's id and the pid. */
interface Asker {
  pmId: number;
  pid: number;
}

/** Process → module. */
export type DoorRequest =
  /**
   * A process starts, or listens anew: wants the sockets that are held for it. Answered by `held` for each, then `end`. `starts` tells
   * who has loaded the door: PM2, as the process is prepared, or the app itself.
   */
  | ({ ask: 'take'; starts?: 'prepared' | 'itself' } & Asker)
  /** It listens at that address; its socket comes along. `prepared`: it has loaded the door before its app. Answered by `end`. */
  | ({ ask: 'put'; at: string; prepared?: true; handle: true } & Asker)
  /** It does not listen there any more, or never did. Answered by `end`. */
  | ({ ask: 'leave'; at: string[] } & Asker);

/** Module → process. */
export type DoorReply =
  /** A socket comes along. */
  | { is: 'held'; at: string; handle: true }
  /**
   * Nothing follows. `refused`: why it was not done; `off`: the door is not for this process; `limitMs`: how long a process may keep
   * the sockets that it has taken and does not listen on; `agent`: the options with which a process that starts has its agent at once.
   */
  | { is: 'end'; refused?: string; off?: true; limitMs?: number; agent?: AgentOptions };

/**
 * Node's option by which a prepared process loads the door: a text of its own, so that a file that is gone keeps no app from
 * starting. Without a space, at which PM2 would split it.
 * @param file absolute path of door.cjs
 */
export function doorImport(file: string): string {
  const path = JSON.stringify(file);
  const code = `import{createRequire as r}from"node:module";try{await r(${path})(${path}).ready}catch{}`;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
}

/** Is this option one of ours, of whichever version? */
export function isDoorImport(option: string): boolean {
  return option.startsWith('--import=data:text/javascript,') && /pm2-ops(%2F|\/)door\.cjs/.test(option);
}
