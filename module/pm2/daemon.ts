// What the module and the command say to the PM2 daemon, and hear from it.

import { MODULE_CMD, MODULE_TOPIC, type ModuleMessage } from '../../contract/agentMessages.ts';
import type { PmId } from '../../contract/pmId.ts';
import { type ExitEvent, readExit } from './exitEvent.ts';
import { type ManagedProcess, readManaged } from './managedProcess.ts';
import type { Pm2Bus, Pm2Client, Pm2Process } from './pm2Client.ts';
import { type ProcessEvent, readProcessEvent } from './processEvent.ts';

/** The daemon answers within tens of milliseconds; a daemon that takes this long hangs. */
const DAEMON_ANSWERS_WITHIN_MS = 10_000;

/** Starting a process takes longer: PM2 answers when the process is ready, or when `listen_timeout` is over. */
const STARTS_WITHIN_MS = 10 * 60_000;

/** Environment variables. */
export type Environment = Record<string, string>;

/** What PM2 changes for a process at its next start. */
export interface Changes {
  /** As `pm2 reload --update-env` changes them. */
  env?: Environment | undefined;
  /** Node's options; they replace those that PM2 has used so far. */
  nodeArgs?: readonly string[] | undefined;
}

export interface Daemon {
  list(): Promise<ManagedProcess[]>;
  /** Sends a message to one agent, which hides it from the app. @throws when PM2 has no such process, or it is offline */
  send(pmId: PmId, message: ModuleMessage): Promise<void>;
  /** Hears that a process started, stopped, restarted or exited. `restarts` is PM2's count for it. */
  onProcessEvent(listener: (event: string, pmId: PmId, restarts: number) => void): void;
  /** Hears that a process has ended. If PM2 ends it itself, PM2 reports that twice. */
  onExit(listener: (exit: ExitEvent) => void): void;
  /** Hears the same, and what was done by a command, with all that PM2 says of the process and the app's secrets left out. */
  onProcess(listener: (event: ProcessEvent) => void): void;
  /** Hears what processes write, and the lines of PM2's own log. `at` is in milliseconds of Date.now(). */
  onLog(stream: 'out' | 'err' | 'PM2', listener: (pmId: PmId, text: string, at: number) => void): void;
  /** Hears of exceptions that nothing has caught, and in cluster mode of rejections; `thrown` is what the process says of it. */
  onException(listener: (pmId: PmId, thrown: unknown, at: number) => void): void;
  /** Hears that PM2 is being killed. */
  onKill(listener: () => void): void;
  /** Hears what processes send to the bus under that type. An app chooses `data` freely; the daemon fills in `pmId`. */
  onBusEvent(type: string, listener: (pmId: PmId, data: unknown) => void): void;
  /** Sends a packet to any process, under a topic. */
  sendPacket(pmId: PmId, topic: string, data: unknown): Promise<void>;
  /** Hears that a process called `process.send('ready')`. */
  onReady(listener: (pmId: PmId) => void): void;
  /**
   * Starts one more instance of an app, with the code that is on the disk now. Settles when PM2 says that it runs. Some
   * versions of PM2 never say so if the instance dies at once: look at the list.
   * @param number `same`: the instance gets that process's NODE_APP_INSTANCE and other numbers that PM2 counts up, as the
   *   successor in PM2's own reload does; `next`: it gets the next ones
   */
  startAnother(pmId: PmId, changes?: Changes, number?: 'same' | 'next'): Promise<void>;
  /** Stops a process and starts it again under its id. Settles as `startAnother` does. */
  restart(pmId: PmId, changes?: Changes): Promise<void>;
  /** Has PM2 reload one process. Settles as `startAnother` does. */
  reload(pmId: PmId, changes?: Changes): Promise<void>;
  /** Stops a process and takes it off the list. @throws when PM2 has not done so some time after its kill_timeout */
  remove(pmId: PmId, killTimeoutMs: number): Promise<void>;
  disconnect(): void;
}

interface BusPacket {
  /** The daemon fills this in; the process cannot. */
  process: { pm_id: PmId; restart_time?: unknown; [option: string]: unknown };
  event?: unknown;
  manually?: unknown;
  at?: unknown;
  data?: unknown;
  raw?: unknown;
}

/**
 * Connects to the daemon that `client` belongs to.
 * @param onError gets what a listener throws; the listener still hears the packets that follow
 * @throws when the daemon does not answer
 */
export async function connectDaemon(client: Pm2Client, onError: (error: unknown) => void = () => {}): Promise<Daemon> {
  await answer<unknown>('connect', (done) => client.connect((error) => done(error, undefined)));
  const bus = await answer<Pm2Bus>('open its bus', (done) => client.launchBus(done));
  // An app can send anything to the bus under any name; a listener that throws at it must not end the module.
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
      return (await answer<Pm2Process[]>('list its processes', (done) => client.list(done))).map(readManaged);
    },
    send: (pmId, data) => pass({ id: pmId, cmd: MODULE_CMD, topic: MODULE_TOPIC, data }),
    onProcessEvent(listener) {
      hear('process:event', ({ event, process: sender }) => {
        // Only the daemon sets `event`; what a process sends is in `data`.
        if (typeof event === 'string') listener(event, sender.pm_id, Number(sender.restart_time) || 0);
      });
    },
    onExit(listener) {
      hear('process:event', ({ event, process: sender }) => {
        if (event === 'exit') listener(readExit(sender.pm_id, sender));
      });
    },
    onProcess(listener) {
      hear('process:event', ({ event, manually, at, process: sender }) => {
        if (typeof event === 'string') listener(readProcessEvent(event, manually, at, sender));
      });
    },
    onLog(stream, listener) {
      hear(`log:${stream}`, ({ at, data, process: { pm_id: pmId } }) => {
        // Only the daemon itself can send under the id PM2.
        if (typeof data !== 'string' || (pmId === 'PM2') !== (stream === 'PM2')) return;
        listener(pmId, data, Number(at) || Date.now());
      });
    },
    onException(listener) {
      hear('process:exception', ({ at, data, process: sender }) =>
        listener(sender.pm_id, data, Number(at) || Date.now()),
      );
    },
    onKill: (listener) => bus.on('pm2:kill', listener),
    onBusEvent,
    sendPacket: (pmId, topic, data) => pass({ id: pmId, type: 'process:msg', topic, data }),
    onReady(listener) {
      hear('process:msg', ({ raw, process: sender }) => {
        if (raw === 'ready') listener(sender.pm_id);
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
      // Without `instances`, PM2 keeps the numbers of the process that is copied (lib/God.js, `prepare`).
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

/** PM2 reads changed options from `current_conf` in the environment (lib/Utility.js, `extendExtraConfig`). */
function asPm2Takes({ env = {}, nodeArgs }: Changes = {}): object {
  return nodeArgs === undefined ? env : { ...env, current_conf: { node_args: nodeArgs } };
}

function isBusPacket(packet: unknown): packet is BusPacket {
  const id = (packet as Partial<BusPacket> | null)?.process?.pm_id;
  return typeof id === 'number' || typeof id === 'string';
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
