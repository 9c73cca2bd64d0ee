// A running candidate and how it is reloaded: under PM2, or by its own means.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT, tempFolder } from '../../testkit/folders.ts';
import { install } from '../../testkit/installed.ts';
import { untilServing } from '../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { runOk } from '../../testkit/run.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import type { Candidate } from './candidates.ts';
import { NODE, PEERS } from './peers.ts';

/** Instances, worker threads or worker processes of each candidate. */
export const WORKERS = 2;
const CLI = join(ROOT, 'dist', 'cli.mjs');
const UP_WITHIN_MS = 60_000;
const RELOADED_WITHIN_MS = 120_000;

export interface Service {
  port: number;
  workers: number;
  /** The processes that serve now; none where a worker is a thread. */
  pids(): Promise<number[]>;
  /** Waits until nothing of an earlier reload is under way any more. */
  ready(): Promise<void>;
  /** The command that a user types, until it returns. */
  reload(): Promise<void>;
  /** Is the reload over only when the command says so? Elsewhere processes tell it better. */
  endsWithCommand: boolean;
  /** Do answers name the worker that gave them? */
  namesWorkers: boolean;
}

/** Where services run; `end` ends all of them. */
export interface Lane {
  start(candidate: Candidate, killTimeoutMs: number): Promise<Service>;
  end(): Promise<void>;
}

/**
 * A lane has a PM2 daemon of its own, with the module in it if `attached`.
 * @param answerMs how long an answer takes on average
 */
export async function openLane(attached: boolean, answerMs: number): Promise<Lane> {
  const ANSWER_MS = String(answerMs);
  const pm2 = await startPm2({ node: NODE, env: { ANSWER_MS } });
  const graceful = attached ? await installModule(pm2) : new Map<number, string>();
  const children: ChildProcess[] = [];
  // However this process ends; PM2's daemon is looked after by `startPm2`.
  const endChildren = () => {
    for (const child of children) child.kill('SIGTERM');
  };
  process.once('exit', endChildren);
  return {
    start(candidate, killTimeoutMs) {
      if (candidate.by === 'wattpm restart') return startWatt(candidate, ANSWER_MS, children);
      if (candidate.by === 'nginx -s reload') return startNginx(candidate, ANSWER_MS, children);
      return startUnderPm2(pm2, candidate, killTimeoutMs, graceful);
    },
    async end() {
      process.off('exit', endChildren);
      const ended = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      endChildren();
      await Promise.all([...ended, pm2.kill()]);
    },
  };
}

/** @returns by pid who handles signals, as its agent last said */
async function installModule(pm2: Pm2): Promise<Map<number, string>> {
  const graceful = new Map<number, string>();
  await pm2.bus((event, { data }) => {
    if (event !== 'pm2-ops:agent') return;
    const said = data as { kind: string; pid: number; graceful?: string };
    if (said.graceful !== undefined) graceful.set(said.pid, said.graceful);
  });
  await install(pm2);
  return graceful;
}

async function startUnderPm2(
  pm2: Pm2,
  { id, by, app, attached, env = {}, fork }: Candidate,
  killTimeoutMs: number,
  graceful: Map<number, string>,
): Promise<Service> {
  const port = await freePort();
  const name = fork ? `${id}-${by.replace(/\W+/g, '-')}-${fork.bootMs}` : `${id}-${killTimeoutMs}`;
  const workers = fork ? 1 : WORKERS;
  await pm2.startApp({
    name,
    script: join(PEERS, 'apps', app),
    cwd: PEERS,
    exec_mode: fork ? 'fork' : 'cluster',
    instances: workers,
    kill_timeout: killTimeoutMs,
    env: { PORT: port, ...(fork ? { BOOT_MS: fork.bootMs } : {}), ...env },
  });
  await untilServing({ port }, UP_WITHIN_MS);
  const online = async () => {
    const all = await pm2.processes(name);
    return all.length === workers && all.every(({ pm2_env }) => pm2_env.status === 'online') && all;
  };
  const service: Service = {
    port,
    workers,
    async pids() {
      return (await pm2.processes(name)).map(({ pid }) => pid);
    },
    async ready() {
      await waitFor(
        async () => {
          const workers = await online();
          return workers && (attached !== true || workers.every(({ pid }) => graceful.get(pid) === 'ours'));
        },
        {
          what: `${name} online${attached ? ' and attached' : ''}`,
          timeoutMs: UP_WITHIN_MS,
          context: () => pm2.logs(),
        },
      );
    },
    async reload() {
      try {
        if (by === 'pm2-ops reload') await reloadByUs(pm2, name);
        else await pm2.okWith({ timeoutMs: RELOADED_WITHIN_MS }, by.replace('pm2 ', ''), name);
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${pm2.daemonLog().slice(-4_000)}`, { cause: error });
      }
    },
    endsWithCommand: by === 'pm2-ops reload',
    namesWorkers: true,
  };
  if (attached && fork) {
    // From its first `pm2-ops reload` on, each further restart is covered.
    await service.ready();
    await reloadByUs(pm2, name);
  }
  return service;
}

async function reloadByUs(pm2: Pm2, name: string): Promise<void> {
  await runOk(NODE, [CLI, 'reload', name], { env: pm2.env, timeoutMs: RELOADED_WITHIN_MS });
}

async function startWatt({ app }: Candidate, ANSWER_MS: string, children: ChildProcess[]): Promise<Service> {
  const port = await freePort();
  const folder = join(PEERS, 'apps', app);
  const command = join(PEERS, 'node_modules', 'wattpm', 'bin', 'cli.js');
  const env = cleanEnvironment({
    PORT: String(port),
    ANSWER_MS,
    PATH: `${dirname(NODE)}:${process.env.PATH}`,
  });
  const child = spawn(NODE, [command, 'start'], { cwd: folder, env, stdio: 'ignore' });
  children.push(child);
  await untilServing({ port }, UP_WITHIN_MS);
  return {
    port,
    workers: WORKERS,
    pids: async () => [],
    ready: async () => {},
    async reload() {
      await runOk(NODE, [command, 'restart', String(child.pid)], { cwd: folder, env, timeoutMs: RELOADED_WITHIN_MS });
    },
    endsWithCommand: true,
    namesWorkers: true,
  };
}

/** In front of an app that stays. */
async function startNginx({ app }: Candidate, ANSWER_MS: string, children: ChildProcess[]): Promise<Service> {
  const [port, appPort] = [await freePort(), await freePort()];
  const env = cleanEnvironment({ PORT: String(appPort), ANSWER_MS });
  children.push(spawn(NODE, [join(PEERS, 'apps', app)], { cwd: PEERS, env, stdio: 'ignore' }));
  const folder = tempFolder();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConfiguration(folder, port, appPort));
  const options = ['-c', file, '-e', join(folder, 'error.log')];
  const child = spawn('nginx', options, { stdio: 'ignore' });
  children.push(child);
  await untilServing({ port: appPort }, UP_WITHIN_MS);
  await untilServing({ port }, UP_WITHIN_MS);
  const pids = async () =>
    readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return {
    port,
    workers: WORKERS,
    pids,
    ready: async () => void (await waitFor(async () => (await pids()).length === WORKERS, { what: 'nginx workers' })),
    reload: async () => void (await runOk('nginx', [...options, '-s', 'reload'])),
    endsWithCommand: false,
    namesWorkers: false,
  };
}

/** As nginx's documentation has it for keep-alive to an upstream (ngx_http_upstream_module, `keepalive`). The directive
 * that would keep idle clients over a reload, `keepalive_min_timeout`, came with nginx 1.27.4. */
function nginxConfiguration(folder: string, port: number, appPort: number): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`);
  return `
    daemon off; worker_processes ${WORKERS}; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 1024; }
    http {
      access_log off; ${paths.join(' ')}
      keepalive_requests 1000000;
      upstream app { server 127.0.0.1:${appPort}; keepalive 64; }
      server {
        listen 127.0.0.1:${port};
        location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
      }
    }`;
}
