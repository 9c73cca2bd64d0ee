// Asks the module over PM2's bus and gets exactly its own answer, by a nonce (`pm2 trigger` takes any reply for its own).
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { COMMAND_REPLY, COMMAND_TOPIC, PROGRESS } from '../contract/commandMessages.ts';
import { MODULE_FILE, NAME } from '../contract/names.ts';
import { connectDaemon, type Daemon } from '../module/pm2/daemon.ts';
import type { ManagedProcess } from '../module/pm2/managedProcess.ts';
import { loadPm2 } from '../module/pm2/pm2Client.ts';
import { pollUntil } from '../shared/time.ts';
import { inWordsOfTheCommand } from './asCommand.ts';

/** How long the module may take to answer, or to answer after the deadline that it told. */
const ANSWERS_WITHIN_MS = 10_000;
/** How long the module may take to start: it takes half a second on an idle host. */
const STARTS_WITHIN_MS = 10_000;
/** Pause between two looks while it starts. */
const LOOK_EVERY_MS = 150;

/** What the module tells while it works. */
export interface Progress {
  message: string;
  /** Milliseconds since it began. */
  ms: number;
  /** Milliseconds from now within which the reply comes. */
  deadlineMs?: number;
}

/**
 * Asks the module and returns its reply, in the words of the command.
 * @param action an action of the module, such as `status`
 * @param onProgress hears what the module tells of this call before it answers
 * @throws with what to do when there is no daemon, no module, or no answer
 */
export async function askModule<T, P extends Progress = Progress>(
  action: string,
  params: unknown = {},
  onProgress: (progress: P) => void = () => {},
): Promise<T> {
  const pm2Home = pm2HomeOf();
  // Connecting where no daemon runs would start one.
  if (!isDaemonUp(pm2Home)) throw new Error(`no PM2 daemon runs in ${pm2Home}; start an app first: pm2 start app.js`);
  process.env.PM2_HOME = pm2Home;
  const daemon = await connectDaemon(loadPm2(findPm2(pm2Home)));
  try {
    return inWordsOfTheCommand(await exchange<T, P>(daemon, action, params, onProgress));
  } finally {
    daemon.disconnect();
  }
}

async function exchange<T, P extends Progress>(
  daemon: Daemon,
  action: string,
  params: unknown,
  onProgress: (progress: P) => void,
): Promise<T> {
  const module = await moduleThatHears(daemon);
  const nonce = randomUUID();
  return await new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const answersWithin = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        reject(new Error(`the module gave no answer within ${ms} ms; look at: pm2 logs ${NAME}`));
      }, ms);
    };
    answersWithin(ANSWERS_WITHIN_MS);
    daemon.onProcessEvent((event, pmId) => {
      if (event !== 'exit' || pmId !== module.pmId) return;
      clearTimeout(timer);
      reject(
        new Error(`the module ended in the middle; an action that a process has begun goes on there: ${NAME} status`),
      );
    });
    // Any process can put an answer on the bus, but PM2 fills in who sent it.
    const onWord = (type: string, listener: (data: { nonce?: unknown }) => void) =>
      daemon.onBusEvent(type, (pmId, data) => {
        const word = data as { nonce?: unknown } | null | undefined;
        if (pmId === module.pmId && word?.nonce === nonce) listener(word);
      });
    onWord(PROGRESS, (data) => {
      const progress = data as unknown as P;
      if (progress.deadlineMs !== undefined) answersWithin(progress.deadlineMs + ANSWERS_WITHIN_MS);
      onProgress(progress);
    });
    onWord(COMMAND_REPLY, (data) => {
      clearTimeout(timer);
      resolve((data as unknown as { reply: T }).reply);
    });
    daemon.sendPacket(module.pmId, COMMAND_TOPIC, { nonce, action, params }).catch(reject);
  });
}

/**
 * Waits for a module that starts, as after each `pm2 set`: a question that reaches it too early is lost. PM2 calls it online from
 * the first moment; it hears commands from when its own actions are listed, those of PM2's library come earlier.
 * @throws when there is none, or it does not start in time
 */
async function moduleThatHears(daemon: Daemon): Promise<ManagedProcess> {
  const look = async () => {
    const modules = (await daemon.list()).filter(({ isModule, name }) => isModule && name === NAME);
    if (!modules.some(({ status }) => status !== 'stopped' && status !== 'errored'))
      throw new Error(`the module does not run; install it: pm2 install ${NAME}`);
    return modules.find(({ status, actions }) => status === 'online' && actions.some(({ name }) => name === 'status'));
  };
  const module = await pollUntil(look, { everyMs: LOOK_EVERY_MS, timeoutMs: STARTS_WITHIN_MS });
  if (module) return module;
  throw new Error(`the module did not start within ${STARTS_WITHIN_MS} ms; look at: pm2 logs ${NAME}`);
}

/** Where the module keeps its files. */
export function stateFolder(): string {
  return join(pm2HomeOf(), NAME);
}

function pm2HomeOf(): string {
  return process.env.PM2_HOME ?? join(homedir(), '.pm2');
}

function isDaemonUp(pm2Home: string): boolean {
  try {
    process.kill(Number(readFileSync(join(pm2Home, 'pm2.pid'), 'utf8')), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A file of the PM2 that runs the daemon: the module wrote down which; else the `pm2` on the PATH. */
export function findPm2(pm2Home = pm2HomeOf()): string {
  try {
    const { pm2File } = JSON.parse(readFileSync(join(pm2Home, NAME, MODULE_FILE), 'utf8')) as { pm2File: string };
    if (existsSync(pm2File)) return pm2File;
  } catch {
    // The module was never installed here, or is of an older version.
  }
  try {
    return realpathSync(execFileSync('sh', ['-c', 'command -v pm2'], { encoding: 'utf8' }).trim());
  } catch {
    throw new Error('pm2 was not found; is it on the PATH?');
  }
}
