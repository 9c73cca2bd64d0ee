// One agent in one process: answers PM2's triggers and the module's messages, and disposes of itself without a trace.

import { ACTION_NAMES, type ActionName } from '../contract/actions/index.ts';
import {
  type Addressed,
  AGENT_MESSAGE,
  type AgentMessage,
  type AgentOptions,
  type ModuleMessage,
} from '../contract/agentMessages.ts';
import { Refusal } from '../contract/errors.ts';
import type { Reply } from '../contract/reply.ts';
import type { ServingState, Standing } from '../contract/standing.ts';
import { VERSION } from '../contract/version.ts';
import { createTrendWatch } from '../diagnostics/memoryTrend.ts';
import { takeEngine } from '../drain/index.ts';
import { attempt } from '../shared/guard.ts';
import { openChannel } from './channel.ts';
import { createDoorClient } from './door/client.ts';
import { doorOfProcess } from './door/seat.ts';
import { failureOf } from './failure.ts';
import { startRecorder } from './flight/recorder.ts';
import { createGraceful } from './graceful.ts';
import { watchLease } from './lease.ts';
import { createModuleClient } from './moduleClient.ts';
import { createPerformer } from './perform.ts';
import { createRepls } from './repl/open.ts';
import { readTrigger, registerAction, sendReply } from './trigger.ts';
import { misses, watchWrapping, wrapperRefusal } from './wrapper.ts';

/**
 * When the agent looks again whether the app has a server and signal handlers, counted from its start: it starts in the app's first
 * idle moment, which may be before `listen`. Later, the module asks when it needs to know.
 */
const LOOKS_MS = [500, 2_000, 10_000, 30_000];

/** Within this time, Node calls back for the first message that the agent has sent. */
const CALLED_BACK_MS = 100;

export interface Agent {
  version: string;
  /** The app does not see the module's messages to this agent; with agents of 0.1 it does. */
  unseen: true;
  /** Answers a nonce: the proof that this process is attached. */
  hello(nonce?: string): void;
  /** Asks the module for a welcome. */
  knock(): void;
  /** Takes new options from a module that has come back. */
  update(options: AgentOptions): void;
  /** Removes listeners, timers and hooks, and has the app serve. Resolves when the servers are the app's own again. */
  dispose(reason: string): Promise<void>;
}

/**
 * Starts the agent.
 * @param onGone called when the agent has disposed of itself; PM2 still lists the actions that it answered
 * @returns null in a process without an IPC channel to PM2
 */
export function startAgent(
  initial: AgentOptions,
  onGone: (answered: ReadonlySet<ActionName>, reason: string) => void,
): Agent | null {
  let options = initial;
  let disposed: Promise<void> | undefined;
  let isDeaf = false;
  const engine = takeEngine();
  const wrapping = watchWrapping(engine);
  const answered = new Set<ActionName>(ACTION_NAMES);
  const kept: ActionName[] = [];
  keepAppsActions();
  /** Was the last drain one with `force`? */
  let insisted = false;
  const performer = createPerformer((action, { force }) => {
    // A second drain of a drained process changes nothing.
    if (action === 'drain' && (force === true || engine.state() === 'serving')) insisted = force === true;
  });
  const repls = createRepls();
  const doors = createDoorClient(engine);

  const channel = openChannel({
    onPacket: (data) => obey(data as ModuleMessage),
    onMessage: receive,
    isOurs: (message) => triggerOf(message) !== undefined,
  });
  if (!channel) {
    void engine.dispose();
    return null;
  }
  const tell = (message: AgentMessage) => channel.send(AGENT_MESSAGE, message);
  const moduleClient = createModuleClient(tell);
  // A wrapper such as npm passes signals on to the app, which is its child.
  const graceful = createGraceful(engine, () => (wrapping.real() ? { ...options, graceful: 'off' } : options), tell);
  const memory = createTrendWatch();
  const recorder = attempt(() => startRecorder(options.stateDir, () => engine.openConnections()), null);
  let told = standing();
  const forgetState = engine.onState(tellStanding);
  // Not at once: some apps add their handlers when they listen.
  const forgetServer = engine.onServer(() => void setImmediate(lookAgain).unref());
  let stopLease = watchLease(options.leaseFile, options.leaseMs, expire, memory.look);
  for (const name of answered) registerAction(channel, name);
  const looks = LOOKS_MS.map((ms) => setTimeout(lookAgain, ms).unref());
  // Node calls back between two timers at the latest.
  const lookTwice = () => void looks.push(setTimeout(leaveIfDeaf, 1).unref());
  looks.push(setTimeout(lookTwice, CALLED_BACK_MS).unref());

  const agent: Agent = { version: VERSION, unseen: true, hello, knock, update, dispose };
  return agent;

  function hello(nonce?: string): void {
    tell({
      kind: 'hello',
      ...(nonce === undefined ? {} : { nonce }),
      version: VERSION,
      pid: process.pid,
      ...standing(),
      kept,
      wrapper: wrapping.real()?.is === 'wrapper',
      ...(doorOfProcess()?.itself === options.stateDir ? { loadsDoor: true } : {}),
    });
  }

  function knock(): void {
    tell({ kind: 'knock', version: VERSION, pid: process.pid });
  }

  function update(next: AgentOptions): void {
    options = next;
    keepAppsActions();
    graceful.update();
    stopLease();
    stopLease = watchLease(options.leaseFile, options.leaseMs, expire, memory.look);
  }

  /** If the app has registered an action of the same name itself, the agent leaves it to the app. */
  function keepAppsActions(): void {
    for (const name of answered) {
      if (!options.takenActions.includes(name)) continue;
      answered.delete(name);
      kept.push(name);
    }
  }

  /** How the process stands towards its clients and its signals. */
  function standing(): Standing {
    const state = servingState();
    const stays = (state === 'draining' || state === 'drained') && (insisted || performer.isRunning('heapdump'));
    return {
      state,
      graceful: graceful.by(),
      addresses: engine.addresses(),
      ...(stays || graceful.exiting() ? { stays: true } : {}),
      ...(graceful.exiting() ? { exits: true } : {}),
    };
  }

  /** A process that listens only for its own children has no clients. */
  function servingState(): ServingState {
    const state = engine.state();
    return state === 'serving' && !wrapping.serves() ? 'no-server' : state;
  }

  function tellStanding(): void {
    told = standing();
    tell({ kind: 'state', pid: process.pid, ...told });
  }

  function lookAgain(): void {
    // A child that has begun to serve meanwhile makes this process its wrapper.
    graceful.update();
    if (!isSame(standing(), told)) tellStanding();
  }

  /** Disposes of an agent whose process delivers no messages: it hears neither the module nor PM2. */
  function leaveIfDeaf(): void {
    if (channel?.calledBack() !== false) return;
    isDeaf = true;
    dispose('it has replaced process.nextTick (fake timers?), by which Node delivers messages').catch(() => {});
  }

  function expire(): void {
    dispose('its module has been gone for longer than the lease').catch(() => {});
  }

  function dispose(reason: string): Promise<void> {
    // A process that exits stays drained, and the agent ends with it.
    if (graceful.exiting()) return new Promise(() => {});
    disposed ??= leave(reason);
    return disposed;
  }

  async function leave(reason: string): Promise<void> {
    stopLease();
    recorder?.stop();
    doors.leave();
    repls.close(`pm2-ops leaves this process: ${reason}`);
    graceful.dispose();
    forgetState();
    forgetServer();
    for (const look of looks) clearTimeout(look);
    tell({ kind: 'bye', pid: process.pid, reason, ...(isDeaf ? { forGood: true } : {}) });
    const why = new Refusal('E_STATE', `the agent left meanwhile: ${reason}`, 'nothing was written');
    performer.endAll(why);
    channel?.close();
    onGone(answered, reason);
    // An instance that was drained serves again, because no module could resume it.
    await engine.dispose();
  }

  function triggerOf(message: unknown): ReturnType<typeof readTrigger> {
    const trigger = readTrigger(message);
    return trigger && answered.has(trigger.action) ? trigger : undefined;
  }

  /** @returns whether the message was for us */
  function receive(message: unknown): boolean {
    if (message === 'shutdown') return graceful.shutdown();
    const trigger = triggerOf(message);
    if (!trigger) return false;
    const { action, raw, addressed } = trigger;
    const receivedMs = performance.now();
    void perform(action, raw, addressed).then((reply) => channel && sendReply(channel, action, reply, receivedMs));
    return true;
  }

  function obey(message: ModuleMessage): void {
    switch (message.kind) {
      case 'welcome':
        if (!message.options) break;
        update(message.options);
        hello(message.nonce);
        break;
      case 'verdict':
        moduleClient.settle(message.id, message.verdict);
        break;
      case 'echo':
        moduleClient.echoed(message.id);
        break;
      case 'successor':
        // Connections that are idle now have until the signal to send the request that ends them.
        if (graceful.by() === 'ours') engine.disableKeepAlive();
        break;
      case 'run': {
        const { nonce } = message;
        void perform(message.action, message.params, 'id', nonce).then((reply) =>
          tell({ kind: 'reply', nonce, reply }),
        );
        break;
      }
      case 'repl': {
        const { nonce } = message;
        const real = wrapping.real();
        const opened =
          real?.is === 'wrapper'
            ? Promise.resolve(failureOf('repl', wrapperRefusal('repl', real)))
            : repls.open(message);
        void opened.then((reply) => tell({ kind: 'reply', nonce, reply }));
        break;
      }
      case 'door': {
        const { nonce, path } = message;
        void doors.handOver(path).then((reply) => tell({ kind: 'reply', nonce, reply }));
        break;
      }
      case 'detach':
        dispose('it was told to detach').catch(() => {});
    }
  }

  async function perform(action: ActionName, raw: unknown, addressed: Addressed, nonce?: string): Promise<Reply> {
    return performer.perform(action, raw, () => {
      const real = wrapping.real();
      if (real && misses(action, real)) throw wrapperRefusal(action, real);
      return {
        options,
        engine,
        moduleClient,
        kept,
        addressed,
        state: servingState(),
        graceful: graceful.by(),
        memoryTrend: memory.trend,
        isLeaving: () => graceful.exiting() || engine.leaving(),
        progress: (progress) => {
          tell({ kind: 'progress', pid: process.pid, action, ...(nonce === undefined ? {} : { nonce }), progress });
        },
      };
    });
  }
}

function isSame(a: Standing, b: Standing): boolean {
  const where = ({ addresses }: Standing) => addresses.map(({ at, own }) => `${at} ${own}`).join('\n');
  return a.state === b.state && a.graceful === b.graceful && a.stays === b.stays && where(a) === where(b);
}
