// Node's inspector port 9229 is one per network namespace, so test files run one at a time, or in several lanes where each
// can have a namespace of its own.

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** The command before a command that gives it a network of its own. */
export const OWN_NETWORK = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

/** The command before a command that gives it a network and processes of its own: killed, it leaves none of them behind. */
export const OWN_PROCESSES = [
  ...['unshare', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'],
  // The first process of such a namespace is everybody's parent in the end: a shell that waits reaps them.
  ...['sh', '-c', 'ip link set lo up; "$@" & wait $!', 'sh'],
];

/** Whether such a namespace may be made here. */
export function canSeparate(how: readonly string[] = OWN_NETWORK): boolean {
  const [command = '', ...args] = [...how, 'true'];
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** How many lanes there can be: one per CPU or `PM2_OPS_LANES`; a single one where no namespace may be made. */
export function lanesHere(): number {
  return canSeparate() ? Math.max(1, Number(process.env.PM2_OPS_LANES) || availableParallelism()) : 1;
}

/**
 * Runs what must run, each lane one after the other, in the order given. The first lane has the host's network, so it
 * begins with what needs that; the others have their own.
 */
export async function runInLanes<Job, Result>(
  jobs: readonly Job[],
  {
    lanes,
    online,
    run,
  }: {
    lanes: number;
    online: (job: Job) => boolean;
    run: (job: Job, network: readonly string[]) => Promise<Result>;
  },
): Promise<Result[]> {
  const hosts = jobs.filter((job) => lanes === 1 || online(job));
  const anywhere = jobs.filter((job) => !hosts.includes(job));
  const results: Result[] = [];
  const lane = async (network: readonly string[], take: () => Job | undefined): Promise<void> => {
    for (let job = take(); job !== undefined; job = take()) results.push(await run(job, network));
  };
  await Promise.all([
    lane([], () => hosts.shift() ?? anywhere.shift()),
    ...Array.from({ length: lanes - 1 }, () => lane(OWN_NETWORK, () => anywhere.shift())),
  ]);
  return results;
}
