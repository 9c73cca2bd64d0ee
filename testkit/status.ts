// What the module says about the processes it looks after, asked the way a user asks.

import type { Pm2 } from './pm2.ts';
import { waitFor } from './wait-for.ts';

export interface ProcessStatus {
  id: number;
  name: string;
  pid: number;
  mode: string;
  status: string;
  attached: boolean;
  /** Why it is not attached. */
  code?: string;
  reason?: string;
  state?: string;
  agent?: string;
  /** Who handles signals there. */
  graceful?: string;
}

export interface ModuleStatus {
  ok: true;
  action: 'status';
  version: string;
  settings: Record<string, unknown>;
  processes: ProcessStatus[];
}

/** `pm2 trigger pm2-ops status`. */
export async function moduleStatus(pm2: Pm2, timeoutMs = 10_000): Promise<ModuleStatus> {
  const replies = await pm2.trigger<ModuleStatus>('pm2-ops', 'status', undefined, timeoutMs);
  // Tests that run at the same time see each other's: PM2 takes any reply of the app. The last one is the newest.
  const last = replies.at(-1);
  if (!last) throw new Error('pm2-ops did not answer');
  return last.value;
}

/** Waits until every instance of `name` is attached, in the process that PM2 has for it now. */
export async function untilAttached(pm2: Pm2, name: string, timeoutMs = 20_000): Promise<ProcessStatus[]> {
  return waitFor(
    async () => {
      const pids = (await pm2.processes(name)).map(({ pid }) => pid);
      const found = (await moduleStatus(pm2)).processes.filter((entry) => entry.name === name);
      const done = found.length === pids.length && found.every(({ pid, attached }) => attached && pids.includes(pid));
      if (!done) throw new Error(JSON.stringify(found, null, 1));
      return found;
    },
    {
      what: `every ${name} attached`,
      timeoutMs,
      everyMs: 250,
      context: () => `${pm2.logs('pm2-ops')}\n${pm2.logs(name)}`,
    },
  );
}

/** Waits for the reason why `name` is not attached. */
export async function untilSkipped(pm2: Pm2, name: string, reason: RegExp, timeoutMs = 20_000): Promise<ProcessStatus> {
  return waitFor(
    async () => {
      const found = (await moduleStatus(pm2)).processes.find((entry) => entry.name === name);
      if (found && !found.attached && reason.test(found.reason ?? '')) return found;
      throw new Error(JSON.stringify(found));
    },
    { what: `${name} skipped because of ${reason}`, timeoutMs, everyMs: 250, context: () => pm2.logs('pm2-ops') },
  );
}
