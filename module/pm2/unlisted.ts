// Processes of an app that PM2 started and does not list: the outgoing ones of a reload (`_old_3`), and orphans that an
// overlapping reload left behind, which serve old code for ever (Unitech/pm2#6129).
import { readdirSync, readFileSync } from 'node:fs';
import { type App, appOf, DEFAULT_NAMESPACE } from '../../contract/app.ts';

/**
 * @param listed pids that PM2 lists
 * @returns pids of the app's other processes; none where /proc is missing
 */
export function findUnlisted(app: App, listed: ReadonlySet<number>, daemonPid = process.ppid): number[] {
  return childrenOf(daemonPid).filter((pid) => !listed.has(pid) && appOfPid(pid) === app);
}

/** Does a process with this pid live (a zombie does not)? */
export function isAlive(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return stat !== '' && !/^[ZX]/.test(fieldsOf(stat)[0] ?? 'X');
}

function childrenOf(parent: number): number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && isAlive(pid) && fieldsOf(read(`/proc/${pid}/stat`))[1] === String(parent));
  } catch {
    return [];
  }
}

/** The fields behind the name, which is in parentheses and may hold anything. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** PM2 hands a process its whole configuration in the environment (cluster mode), or its name and namespace (fork mode). */
function appOfPid(pid: number): App | undefined {
  const variables = read(`/proc/${pid}/environ`).split('\0');
  const variable = (name: string) => variables.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
  try {
    const config = variable('pm2_env');
    const { name, namespace = DEFAULT_NAMESPACE } =
      config === undefined
        ? { name: variable('name'), namespace: variable('namespace') }
        : (JSON.parse(config) as { name: string; namespace?: string });
    return name === undefined ? undefined : appOf({ namespace, name });
  } catch {
    return undefined;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
