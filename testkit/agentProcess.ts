// An app with the agent in it, without PM2: many of them start in the time that PM2 needs for a few.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import {
  AGENT_MESSAGE,
  type AgentMessage,
  type AgentOptions,
  MODULE_CMD,
  MODULE_TOPIC,
} from '../contract/agentMessages.ts';
import type { Reply } from '../contract/reply.ts';
import { cleanEnvironment } from './environment.ts';
import { ROOT } from './folders.ts';
import { waitFor, within } from './wait-for.ts';

export interface AgentProcess {
  child: ChildProcess;
  /** Everything that it has sent, from its start on. */
  said: readonly unknown[];
  /** Asks for an action; settles with its reply, which may be a failure. */
  run<T = Reply>(action: string, params?: object, timeoutMs?: number): Promise<T>;
  /** Tells the agent to leave. */
  detach(): void;
  kill(): void;
}

const running = new Set<ChildProcess>();
let nonces = 0;

/** Starts `script` with Node and the agent in it. Call `kill`; what is forgotten is killed at the end of the test process. */
export async function startAgentProcess(
  script: string,
  {
    stateDir,
    node = process.execPath,
    flags = [],
    args = [],
    env = {},
    cwd,
  }: { stateDir: string; node?: string; flags?: string[]; args?: string[]; env?: NodeJS.ProcessEnv; cwd?: string },
): Promise<AgentProcess> {
  const child = fork(script, args, {
    execPath: node,
    execArgv: [...flags, '--require', join(ROOT, 'dist/agent-preload.cjs')],
    env: cleanEnvironment({ pm_id: '0', ...env }),
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const said: { type: string; data: AgentMessage }[] = [];
  child.on('message', (message: { type: string; data: AgentMessage }) => said.push(message));
  const hasSaid = (kind: AgentMessage['kind']) =>
    said.some(({ type, data }) => type === AGENT_MESSAGE && data.kind === kind);
  const send = (data: object) =>
    child.send({ cmd: MODULE_CMD, topic: MODULE_TOPIC, data }, () => {
      // It has exited: the wait for its answer reports that.
    });
  const options: AgentOptions = {
    version: 'test',
    stateDir,
    leaseFile: process.execPath,
    // Nobody renews that file; a timer takes no more than this.
    leaseMs: 2 ** 33,
    takenActions: [],
    maxMemoryRestart: 0,
    killTimeoutMs: 1600,
    graceful: 'auto',
    dumpKeep: 5,
    dumpMaxBytes: 2 ** 31,
  };
  await waitFor(() => hasSaid('knock'), {
    what: `the agent in ${script}`,
    timeoutMs: 60_000,
  });
  send({ kind: 'welcome', nonce: 'welcome', options });
  await waitFor(() => hasSaid('hello'), { what: `hello of ${script}`, timeoutMs: 60_000 });

  return {
    child,
    said,
    run<T>(action: string, params: object = {}, timeoutMs = 60_000) {
      nonces += 1;
      const nonce = `n${nonces}`;
      const answer = new Promise<T>((resolve, reject) => {
        const listen = ({ data }: { data: AgentMessage }) => {
          if (data?.kind !== 'reply' || data.nonce !== nonce) return;
          child.off('message', listen);
          resolve(data.reply as T);
        };
        child.on('message', listen);
        child.once('exit', (code, signal) => reject(new Error(`it exited with ${code ?? signal} instead of a reply`)));
      });
      send({ kind: 'run', nonce, action, params });
      return within(timeoutMs, `the reply to ${action}`, answer);
    },
    detach: () => void send({ kind: 'detach', nonce: 'detach' }),
    kill: () => void child.kill('SIGKILL'),
  };
}

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
