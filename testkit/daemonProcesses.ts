// The processes of a daemon that a test started, known by its PM2_HOME in their environment.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Every living process that was started with this PM2_HOME: the daemon, apps, their children. */
export function pidsOf(home: string): number[] {
  if (process.platform !== 'linux') return pidsFromFiles(home);
  const mark = `\0PM2_HOME=${home}\0`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && environmentOf(pid).includes(mark));
}

/** SIGKILL to exactly the processes of this PM2_HOME; several times, because a dying daemon may still start one. */
export function killProcessesOf(home: string): void {
  for (let pass = 0; pass < 5; pass++) {
    const pids = pidsOf(home);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself meanwhile.
      }
    }
  }
}

/** Whether a process with this pid exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function pidsFromFiles(home: string): number[] {
  const folder = join(home, 'pids');
  const files = existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
  return [join(home, 'pm2.pid'), ...files]
    .filter((file) => existsSync(file))
    .map((file) => Number(readFileSync(file, 'utf8')))
    .filter((pid) => pid > 0 && isAlive(pid));
}

function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`;
  } catch {
    return '';
  }
}
