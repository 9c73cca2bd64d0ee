// dist/door.cjs: runs in a prepared process before its app. It takes the listening sockets of the process before from the module,
// so that clients have waited in the kernel meanwhile, and were not refused. The agent comes along with them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { AgentOptions } from '../../contract/agentMessages.ts';
import { DOOR_AGENT_FILE, DOOR_SOCKET, isDoorImport } from '../../contract/door.ts';
import { nodeBindings } from '../../shared/ipc/bindings.ts';
import { enter } from '../realm/enter.ts';
import { createAsk } from './ask.ts';
import { wrapListening } from './listen.ts';
import { doorOfProcess, setDoor } from './seat.ts';
import { isReloadUnfinished } from './unfinishedReload.ts';

/** Settles in any case, when the app may start. */
export const ready = open().catch(() => {});

async function open(): Promise<void> {
  const { env, execArgv } = process;
  // The app's children start with its options, and are none of PM2's processes.
  for (let at = execArgv.length - 1; at >= 0; at--) if (isDoorImport(execArgv[at] ?? '')) execArgv.splice(at, 1);
  const pmId = Number(env.pm_id);
  if (!isMainThread || env.pm_id === undefined || !Number.isSafeInteger(pmId) || !process.send) return;
  const bindings = nodeBindings();
  // With `--require`, the agent of the app's own comes first, and has one.
  if (!bindings || doorOfProcess()) return;
  const folder = __dirname;
  const parts = { bindings, path: join(folder, DOOR_SOCKET), pmId };
  const answer = await createAsk({ ...parts, keepsAlive: true })({ ask: 'take', starts: 'prepared' });
  // Without a module nothing is held, but its next one may have a reload to put right.
  if (answer === 'gone' ? !isReloadUnfinished(folder) : typeof answer === 'object' && answer.off) return;
  const isUnsure = typeof answer !== 'object';
  const door = wrapListening({ ask: createAsk({ ...parts, keepsAlive: false }), folder, prepared: true, isUnsure });
  if (!isUnsure) door.take(answer.held, answer.limitMs);
  setDoor(door);
  if (!isUnsure && answer.agent) startAgent(folder, answer.agent);
}

/** A process that PM2 ends before the module has attached would die with the requests that it is answering. */
function startAgent(folder: string, options: AgentOptions): void {
  enter(readFileSync(join(folder, DOOR_AGENT_FILE), 'utf8')).begin(options);
}
