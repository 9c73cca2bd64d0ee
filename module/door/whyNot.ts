// Why the sockets of a process cannot be held for its successors.
import { basename } from 'node:path';
import type { ListenAddress } from '../../contract/standing.ts';
import type { Member } from '../fleet/fleet.ts';
import { uidOf } from '../state/state.ts';

/** Typed where the setting is the reason. */
export const TURN_DOOR_ON = 'pm2 set pm2-ops:door auto';

/** The first Node with `--import`, which everything that loads the door needs. */
const OLDEST_NODE = [20, 6] as const;

/** @param loadsItself its app has loaded the door, whatever PM2 starts it with @returns undefined where they can */
export function whyNotHeld({ process: listed, wrapper }: Member, loadsItself: boolean): string | undefined {
  const { mode, interpreter = '', nodeVersion, pid } = listed;
  if (mode === 'cluster') return "it runs in PM2's cluster mode, where PM2's daemon holds the sockets";
  if (basename(interpreter) !== 'node' && !loadsItself)
    return `PM2 starts it with ${interpreter || 'no interpreter'}, not with node`;
  if (wrapper) return 'PM2 starts a wrapper here, and the app is its child';
  if (nodeVersion !== undefined && !loadsItself && isOlder(nodeVersion))
    return `it runs on Node ${nodeVersion}, and the door needs 20.6`;
  if (pid > 0 && uidOf(pid) !== process.geteuid?.()) return 'it runs as another user than the module';
  return undefined;
}

/** Is it a TCP socket of the process's own, on a port that the next process asks for again? */
export function isHoldable({ at, own, anyPort }: ListenAddress): boolean {
  return own === true && anyPort !== true && /:\d+$/.test(at) && !at.startsWith('/');
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
}
