// Finds processes of an app that PM2 has started and does not list: the outgoing instances of a reload (`_old_3`), and orphans
// of overlapping reloads, which serve old code until someone ends them (Unitech/pm2#6129).
import { type App, appOf, DEFAULT_NAMESPACE } from '../../contract/app.ts';
import { environmentOf } from '../../shared/linux/environment.ts';
import { allProcesses, readStat } from '../../shared/linux/proc.ts';

/**
 * @param listed pids that PM2 lists
 * @returns pids of the app's other processes; none where /proc is missing
 */
export function findUnlisted(app: App, listed: ReadonlySet<number>, daemonPid = process.ppid): number[] {
  return allProcesses().filter(
    (pid) => !listed.has(pid) && readStat(pid)?.parent === daemonPid && appOfPid(pid) === app,
  );
}

/** PM2 puts a process's whole configuration into its environment (cluster mode), or its name and namespace (fork mode). */
function appOfPid(pid: number): App | undefined {
  const variables = environmentOf(pid);
  try {
    const config = variables.get('pm2_env');
    const { name, namespace = DEFAULT_NAMESPACE } =
      config === undefined
        ? { name: variables.get('name'), namespace: variables.get('namespace') }
        : (JSON.parse(config) as { name: string; namespace?: string });
    return name === undefined ? undefined : appOf({ namespace, name });
  } catch {
    return undefined;
  }
}
