// The door of an app that loads the agent in its own code. Nothing waits for the answer of the module: `import` and `require` are
// over at once, and only a `listen` at an address that somebody has waits for it.
import cluster from 'node:cluster';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { AgentOptions } from '../../contract/agentMessages.ts';
import { DOOR_SOCKET } from '../../contract/door.ts';
import { nodeBindings } from '../../shared/ipc/bindings.ts';
import { type Answer, createAsk, type NoAnswer } from './ask.ts';
import { type Door, wrapListening } from './listen.ts';
import { doorOfProcess, setDoor } from './seat.ts';
import { isReloadUnfinished } from './unfinishedReload.ts';

/**
 * Asks the module for the sockets of the process before, and hands it those on which this one listens.
 * @param onAgent is called with the options of an agent, if the module has them at hand
 */
export function openDoorItself(onAgent: (options: AgentOptions) => void): void {
  const { env } = process;
  const pmId = Number(env.pm_id);
  if (!isMainThread || cluster.isWorker || env.pm_id === undefined || !Number.isSafeInteger(pmId)) return;
  if (doorOfProcess() || listensAlready()) return;
  const bindings = nodeBindings();
  const home = env.PM2_HOME ?? (env.HOME === undefined ? undefined : join(env.HOME, '.pm2'));
  if (!bindings || home === undefined) return;
  const folder = join(home, 'pm2-ops');
  const parts = { bindings, path: join(folder, DOOR_SOCKET), pmId };
  const asking = createAsk({ ...parts, keepsAlive: true })({ ask: 'take', starts: 'itself' }).then((answer) => {
    const isSettled = settle(answer);
    if (typeof answer === 'object' && answer.agent) onAgent(answer.agent);
    return isSettled;
  });
  const ask = createAsk({ ...parts, keepsAlive: false });
  const door: Door = wrapListening({ ask, folder, prepared: true, isUnsure: false, asking });
  door.itself = folder;
  setDoor(door);

  /** @returns whether it is known now what is held */
  function settle(answer: Answer | NoAnswer): boolean {
    if (typeof answer === 'string') return answer === 'gone' && !isReloadUnfinished(folder);
    if (answer.off) {
      door.remove();
      if (doorOfProcess() === door) setDoor(undefined);
    } else door.take(answer.held, answer.limitMs);
    return true;
  }
}

/** An app that loads us after it has listened would do so in its next process, too, and be refused the port that is held. */
function listensAlready(): boolean {
  return process.getActiveResourcesInfo().includes('TCPServerWrap');
}
