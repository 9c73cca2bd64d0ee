// The agent's front door: the module calls `install` in a running process, an app that loads the agent itself calls `knock`. A
// process has one agent, however often these are called; the newest wins.

import type { ActionName } from '../contract/actions/index.ts';
import type { AgentOptions } from '../contract/agentMessages.ts';
import { VERSION } from '../contract/version.ts';
import { holderOf } from '../drain/index.ts';
import { type Agent, startAgent } from './agent.ts';
import type { Channel } from './channel.ts';
import { knockAt, openStub } from './stub.ts';

/** Shared by every copy and version of this script in the process; its shape is kept compatible. */
interface Seat {
  agent: Agent | null;
  /** The stub of a disposed agent, or of an app that has loaded the agent itself and waits for a module. */
  rest: Channel | null;
}

/**
 * Tells child processes which process has loaded the agent. Node loads the agent into forks and workers of the app as well, whose
 * messages would go to the app, their parent, and not to PM2.
 */
const LOADED_IN = 'PM2_OPS_LOADED_IN';

const SEAT = Symbol.for('pm2-ops.agent');

export interface Installed {
  /** `kept`: this version was there already; `replaced`: another version was; `no-channel`: PM2 did not start this process. */
  outcome: 'installed' | 'kept' | 'replaced' | 'no-channel';
  version: string;
}

/**
 * Puts the agent into this process.
 * @param load the agent's options, and the nonce that it answers over the bus once it runs
 */
export function install(load: { options: AgentOptions; nonce: string }): Installed {
  const seat = takeSeat();
  const { agent } = seat;
  if (agent?.version === VERSION && agent.unseen) {
    agent.update(load.options);
    agent.hello(load.nonce);
    return { outcome: 'kept', version: VERSION };
  }
  if (agent) {
    // Two engines must not hold one server, so the new agent starts when the old one has given its servers back.
    seat.agent = null;
    agent.dispose(`version ${VERSION} takes over`).then(
      () => startLater(seat, load),
      () => startLater(seat, load),
    );
    return { outcome: 'replaced', version: VERSION };
  }
  return { outcome: start(seat, load) ? 'installed' : 'no-channel', version: VERSION };
}

/**
 * For an app that loads the agent itself (`import 'pm2-ops/agent'`): makes it known to the module and waits, harmlessly,
 * until there is one.
 */
export function knock(): void {
  const { env, pid, ppid } = process;
  // PM2 gives a process its id (fork mode) or its whole configuration (cluster mode). Without either, PM2 does not manage it.
  if (env.pm_id === undefined && env.pm2_env === undefined) return;
  const isChild = env[LOADED_IN] === String(ppid);
  env[LOADED_IN] = String(pid);
  if (isChild) return;
  const seat = takeSeat();
  if (seat.agent || seat.rest) return;
  leaveStub(seat, new Set(['ops-status'] as const), 'the pm2-ops module does not run');
  if (!seat.rest) return;
  knockAt(seat.rest);
  const { openDoorItself } = require('./door/lazy.ts') as typeof import('./door/lazy.ts');
  openDoorItself((options) => {
    if (!seat.agent) startLater(seat, { options });
  });
}

/** For a process that has the module's options before its app's code runs: starts the agent, which asks for its welcome then. */
export function begin(options: AgentOptions): void {
  const seat = takeSeat();
  if (seat.agent || seat.rest) return;
  start(seat, { options });
  takeSeat().agent?.knock();
}

/** @param load without a nonce, no module waits for the agent's answer */
function start(seat: Seat, { options, nonce }: { options: AgentOptions; nonce?: string }): boolean {
  try {
    seat.rest?.close();
    seat.rest = null;
    const agent = startAgent(options, (answered, reason) => {
      // A newer agent has taken the seat already.
      if (seat.agent !== agent) return;
      seat.agent = null;
      leaveStub(seat, answered, reason);
    });
    seat.agent = agent;
    if (nonce !== undefined) agent?.hello(nonce);
    return agent !== null;
  } catch (error) {
    throw new Error(`the agent could not start: ${(error as Error).message}`);
  }
}

/** Starts an agent after `install` has returned. If it fails, it does not answer the nonce, and the module notices. */
function startLater(...args: Parameters<typeof start>): void {
  try {
    start(...args);
  } catch {}
}

function leaveStub(seat: Seat, answered: ReadonlySet<ActionName>, reason: string): void {
  seat.rest = openStub(answered, reason, (load) => void install(load));
}

function takeSeat(): Seat {
  const holder = holderOf(SEAT) as { [SEAT]?: Seat };
  if (!holder[SEAT]) {
    Object.defineProperty(holder, SEAT, { value: { agent: null, rest: null }, enumerable: false, configurable: true });
  }
  return holder[SEAT] as Seat;
}
