// A process as PM2's list has it, for tests of what the module decides from that list.
import type { ManagedProcess } from '../../module/pm2/managedProcess.ts';

/** An instance that is online, with PM2's defaults, and whatever else the test is about. */
export function listed(about: Pick<ManagedProcess, 'pmId' | 'name'> & Partial<ManagedProcess>): ManagedProcess {
  return {
    pid: 1000 + Number(about.pmId),
    namespace: 'default',
    mode: 'cluster',
    status: 'online',
    isModule: false,
    actions: [],
    maxMemoryRestart: 0,
    killTimeoutMs: 1600,
    restarts: 0,
    createdMs: 0,
    waitReady: false,
    startedAt: 0,
    ...about,
  };
}
