// Everything said to or heard from the PM2 daemon.

import { MODULE_CMD, MODULE_TOPIC, type ModuleMessage } from '../../contract/agentMessages.ts';
import { DEFAULT_NAMESPACE } from '../../contract/app.ts';
import { killTimeoutMsFrom, PM2_KILL_TIMEOUT_MS } from '../../contract/killTimeout.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Pm2Bus, Pm2Client, Pm2Process } from './pm2Client.ts';

/** A process that PM2 manages. */
export interface ManagedProcess {
  pmId: PmId;
  pid: number;
  name: string;
  /** PM2's; `default` where the app names none. */
  namespace: string;
  mode: 'cluster' | 'fork';
  /** PM2's word: online, launching, stopping, stopped, errored. */
  status: string;
  /** A PM2 module (ours among them), not an app. */
  isModule: boolean;
  /** Custom actions that PM2 lists for it. */
  actions: { name: string; ours: boolean }[];
  /** Bytes; 0 for none. */
  maxMemoryRestart: number;
  /** Milliseconds between SIGINT and SIGKILL. */
  killTimeoutMs: number;
  /** How often PM2 has started it again. */
  restarts: number;
  /** When PM2 first started it, in milliseconds of Date.now(). */
  createdMs: number;
  /** It says `ready` itself; PM2 calls it online only then. */
  waitReady: boolean;
  /** The mark of an instance that stands in for another during its heap dump. */
  standIn?: string;
  /** Of its Node, as PM2 found it. */
  nodeVersion?: string;
  /** PM2 was told to start it with `--inspect`; its command line does not show that. */
  inspected?: true;
  /** When it was started, in milliseconds of Date.now(). */
  startedAt: number;
  /** PM2 ends its children at the same moment as itself. */
  treekill?: boolean;
  /** When PM2 restarts it, as in a crontab. */
  cronRestart?: string;
  /** Node's options that PM2 starts it with. */
  nodeArgs?: string[];
}

/** Environment variable of an instance that stands in for another; its value says who started it. */
export const STAND_IN = 'PM2_OPS_STAND_IN';

/** How long the daemon may take to answer, in milliseconds; it answers in tens. */
const DAEMON_ANSWERS_WITHIN_MS = 10_000;

/** How long it may take to start a process, in milliseconds: PM2 answers when it is ready, or `listen_timeout` is over. */
const STARTS_WITHIN_MS = 10 * 60_000;

/** Of what a process can have PM2 list for it, so much is looked at: characters of a name, and actions. */
const LONGEST_NAME = 256;
const MOST_ACTIONS = 1_000;

/** Environment variables. */
export type Environment = Record<string, string>;

/** What is different for a process from its next start on. */
export interface Changes {
  /** As `pm2 reload --update-env` changes them. */
  env?: Environment | undefined;
  /** Node's options, in place of those that PM2 has started it with. */
  nodeArgs?: readonly string[] | undefined;
}

export interface Daemon {
  list(): Promise<ManagedProcess[]>;
  /** Sends a message to one agent, unseen by its app. @throws when the daemon does not know that process or it is offline */
  send(pmId: PmId, message: ModuleMessage): Promise<void>;
  /** Some process started, stopped, restarted or went away. `restarts` is PM2's count for it. */
  onProcessEvent(listener: (event: string, pmId: PmId, restarts: number) => void): void;
  /** Whatever a process put on the bus under that type, which may be anything; `pmId` is filled in by the daemon. */
  onBusEvent(type: string, listener: (pmId: PmId, data: unknown) => void): void;
  /** A packet to any process, under a topic. */
  sendPacket(pmId: PmId, topic: string, data: unknown): Promise<void>;
  /** A process said `process.send('ready')`. */
  onReady(listener: (pmId: PmId) => void): void;
  /**
   * Starts one more instance of an app, with the code that is on the disk now. Settles when PM2 says so, which for some
   * versions is never if it dies at once: look at the list.
   * @param number `same`: NODE_APP_INSTANCE and whatever else PM2 counts up for each instance are those of that one, as for a
   *   successor in a reload of PM2; else the next
   */
  startAnother(pmId: PmId, changes?: Changes, number?: 'same' | 'next'): Promise<void>;
  /** Stops a process and starts it again under its id. Settles as above. */
  restart(pmId: PmId, changes?: Changes): Promise<void>;
  /** PM2's own reload of one process. Settles as above. */
  reload(pmId: PmId, changes?: Changes): Promise<void>;
  /** Stops a process and takes it off the list. @throws when that is not done within its kill_timeout and some */
  remove(pmId: PmId, killTimeoutMs: number): Promise<void>;
  disconnect(): void;
}

interface BusPacket {
  /** PM2's own. */
  process: { pm_id: PmId; restart_time?: unknown };
  event?: unknown;
  data?: unknown;
  raw?: unknown;
}

/**
 * Connects to the daemon that `client` belongs to.
 * @param onError a listener has failed at something on the bus; it hears what comes next
 * @throws when the daemon does not answer
 */
export async function connectDaemon(client: Pm2Client, onError: (error: unknown) => void = () => {}): Promise<Daemon> {
  await answer<unknown>('connect', (done) => client.connect((error) => done(error, undefined)));
  const bus = await answer<Pm2Bus>('open its bus', (done) => client.launchBus(done));
  // An app can put anything under any name there, and no exception may end whoever listens.
  const hear = (type: string, listener: (packet: BusPacket) => void) => {
    bus.on(type, ((packet: unknown) => {
      try {
        if (isBusPacket(packet)) listener(packet);
      } catch (error) {
        onError(error);
      }
    }) as (packet: never) => void);
  };
  const onBusEvent: Daemon['onBusEvent'] = (type, listener) => {
    hear(type, (packet) => listener(packet.process.pm_id, packet.data));
  };
  const pass = async (packet: object) => {
    await answer<unknown>('pass on a message', (done) => client.sendDataToProcessId(packet, done));
  };

  const call = (method: string, argument: unknown, withinMs: number) =>
    answer<unknown>(`${method}`, (done) => client.Client.executeRemote(method, argument, done), withinMs);

  return {
    async list() {
      return (await answer<Pm2Process[]>('list its processes', (done) => client.list(done))).map(managed);
    },
    send: (pmId, data) => pass({ id: pmId, cmd: MODULE_CMD, topic: MODULE_TOPIC, data }),
    onProcessEvent(listener) {
      hear('process:event', ({ event, process }) => {
        // PM2's own have it; a process can only fill in `data`.
        if (typeof event === 'string') listener(event, process.pm_id, Number(process.restart_time) || 0);
      });
    },
    onBusEvent,
    sendPacket: (pmId, topic, data) => pass({ id: pmId, type: 'process:msg', topic, data }),
    onReady(listener) {
      hear('process:msg', ({ raw, process }) => {
        if (raw === 'ready') listener(process.pm_id);
      });
    },
    async startAnother(pmId, { env, nodeArgs } = {}, number = 'next') {
      if (env === undefined && nodeArgs === undefined && number === 'next') {
        await call('duplicateProcessId', pmId, STARTS_WITHIN_MS);
        return;
      }
      const listed = await answer<Pm2Process[]>('list its processes', (done) => client.list(done));
      const model = listed.find((each) => each.pm_id === pmId);
      if (!model) throw new Error(`PM2 has no process ${pmId} any more`);
      const fresh = ['pm_id', 'created_at', 'unique_id', 'instances'];
      const rest = Object.entries(model.pm2_env).filter(([key]) => !fresh.includes(key));
      // Without a count of instances PM2 starts it as it stands (lib/God.js, `prepare`).
      const count = number === 'next' ? { instances: 1 } : {};
      const options = nodeArgs === undefined ? {} : { node_args: nodeArgs };
      const whole = { ...Object.fromEntries(rest), ...count, ...options, env: { ...model.pm2_env.env, ...env } };
      await call('prepare', whole, STARTS_WITHIN_MS);
    },
    async restart(pmId, changes) {
      await call('restartProcessId', { id: pmId, env: asPm2Takes(changes) }, STARTS_WITHIN_MS);
    },
    async reload(pmId, changes) {
      await call('reloadProcessId', { id: pmId, env: asPm2Takes(changes) }, STARTS_WITHIN_MS);
    },
    async remove(pmId, killTimeoutMs) {
      await call('deleteProcessId', pmId, killTimeoutMs + DAEMON_ANSWERS_WITHIN_MS);
    },
    disconnect: () => client.disconnect(),
  };
}

/** PM2 takes a changed configuration out of the environment under that name (lib/Utility.js, `extendExtraConfig`). */
function asPm2Takes({ env = {}, nodeArgs }: Changes = {}): object {
  return nodeArgs === undefined ? env : { ...env, current_conf: { node_args: nodeArgs } };
}

function isBusPacket(packet: unknown): packet is BusPacket {
  const id = (packet as Partial<BusPacket> | null)?.process?.pm_id;
  return typeof id === 'number' || typeof id === 'string';
}

/** A process can have PM2 list any name, actions and version of Node for it (lib/Daemon.js, `axm:*`), of any type and length. */
function managed({ pid, pm_id, name, pm2_env }: Pm2Process): ManagedProcess {
  const standIn = pm2_env.env?.[STAND_IN];
  return {
    pmId: pm2_env.pm_id ?? pm_id,
    pid: pid ?? 0,
    name: typeof name === 'string' || typeof name === 'number' ? String(name).slice(0, LONGEST_NAME) : `id ${pm_id}`,
    namespace: pm2_env.namespace || DEFAULT_NAMESPACE,
    mode: pm2_env.exec_mode === 'cluster_mode' ? 'cluster' : 'fork',
    status: pm2_env.status,
    isModule: pm2_env.pmx_module === true,
    actions: (Array.isArray(pm2_env.axm_actions) ? pm2_env.axm_actions : [])
      .slice(0, MOST_ACTIONS)
      .flatMap((action) =>
        typeof action?.action_name === 'string'
          ? [{ name: action.action_name.slice(0, LONGEST_NAME), ours: action.opts?.by === 'pm2-ops' }]
          : [],
      ),
    maxMemoryRestart: Number(pm2_env.max_memory_restart) || 0,
    killTimeoutMs: killTimeoutMsFrom(pm2_env.kill_timeout) ?? PM2_KILL_TIMEOUT_MS,
    restarts: Number(pm2_env.restart_time) || 0,
    createdMs: Number(pm2_env.created_at) || 0,
    waitReady: pm2_env.wait_ready === true,
    ...(/--inspect(?!-port)/.test(String(pm2_env.node_args)) ? { inspected: true as const } : {}),
    ...(isVersion(pm2_env.node_version) ? { nodeVersion: pm2_env.node_version } : {}),
    startedAt: Number(pm2_env.pm_uptime) || 0,
    treekill: pm2_env.treekill === true,
    ...(pm2_env.cron_restart && String(pm2_env.cron_restart) !== '0'
      ? { cronRestart: String(pm2_env.cron_restart) }
      : {}),
    nodeArgs: [pm2_env.node_args ?? []].flat(),
    ...(typeof standIn === 'string' ? { standIn } : {}),
  };
}

function isVersion(given: unknown): given is string {
  return typeof given === 'string' && /^v?[\w.+-]{1,50}$/.test(given);
}

function answer<T>(
  what: string,
  call: (done: (error: Error | null, value: T) => void) => void,
  withinMs = DAEMON_ANSWERS_WITHIN_MS,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`the PM2 daemon did not ${what} within ${withinMs} ms`));
    }, withinMs);
    call((error, value) => {
      clearTimeout(timer);
      if (error) reject(error instanceof Error ? error : new Error(String(error)));
      else resolve(value);
    });
  });
}
