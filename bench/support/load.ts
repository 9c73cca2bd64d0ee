// The load as a process of its own, on a core of its own where there is one.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT } from '../../testkit/folders.ts';
import { run } from '../../testkit/run.ts';
import type { Slice, SliceResult } from './loadProcess.ts';

export interface LoadProcess {
  pid: number;
  /** Throws when a single request failed: what was measured is then not what was meant. */
  slice(slice: Slice): Promise<SliceResult>;
  stop(): void;
}

export async function startLoadProcess(): Promise<LoadProcess> {
  const child: ChildProcess = fork(join(ROOT, 'bench', 'support', 'loadProcess.ts'), {
    execArgv: ['--import', 'tsx'],
    env: cleanEnvironment(),
    cwd: ROOT,
  });
  await once(child, 'spawn');
  return {
    pid: child.pid!,
    async slice(slice) {
      child.send(slice);
      const [result] = (await once(child, 'message')) as [SliceResult];
      if (result.failed > 0 || result.answered !== slice.requests)
        throw new Error(`${result.answered} of ${slice.requests} requests answered, ${result.failed} failed`);
      return result;
    },
    stop: () => void child.kill('SIGKILL'),
  };
}

/** Keeps all threads of these processes on one core. @returns false where that is not possible or makes no sense */
export async function pin(pids: readonly number[], core: number): Promise<boolean> {
  if (process.platform !== 'linux' || availableParallelism() < 2) return false;
  for (const pid of pids) {
    const { code } = await run('taskset', ['-acp', String(core), String(pid)]).catch(() => ({ code: 1 }));
    if (code !== 0) return false;
  }
  return true;
}
