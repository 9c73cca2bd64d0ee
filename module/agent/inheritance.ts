// What an app starts (workers of its own cluster, `child_process.fork`) inherits its options, and with them
// `--import pm2-ops/agent`; but its channel leads to the app, not to PM2, and nothing of ours belongs there.
import { readFileSync } from 'node:fs';

/** PM2 gives every process that it starts an id of its own, in its environment or in a part of that. */
const ID = /\bunique_id"?[=:]"?([\w-]{8,})/g;

/** Was this process started by one that PM2 manages, and not by PM2? */
export function isStartedByApp(): boolean {
  try {
    const ids = [...readFileSync('/proc/self/environ', 'latin1').matchAll(ID)].map(([, id = '']) => id);
    const parent = readFileSync(`/proc/${process.ppid}/environ`, 'latin1');
    return ids.length > 0 && ids.every((id) => parent.includes(id));
  } catch {
    // No /proc, or a parent of another user, as PM2 may be.
    return false;
  }
}
