// PM2's side of an action: registers it, reads its trigger, and sends its reply.
import { ACTION_NAMES, type ActionName } from '../contract/actions/index.ts';
import type { Addressed } from '../contract/agentMessages.ts';
import type { Reply } from '../contract/reply.ts';
import { REPLY_AFTER_MS } from '../contract/trigger.ts';
import { printableAsJson } from '../shared/text/printable.ts';
import type { Channel } from './channel.ts';

/**
 * Registers an action with PM2 (lib/Daemon.js, `axm:action`). `opts.by` tells it from an action of the app with the same name.
 */
export function registerAction(channel: Channel, action: ActionName): void {
  channel.send('axm:action', { action_name: action, action_type: 'custom', opts: { by: 'pm2-ops' }, arity: 2 });
}

/**
 * Answers a trigger; `pm2 trigger` prints `return` and ends.
 * @param receivedMs when the trigger came, on the clock of performance.now()
 */
export function sendReply(channel: Channel, action: ActionName, reply: Reply, receivedMs: number): void {
  const holdMs = receivedMs + REPLY_AFTER_MS - performance.now();
  // Checks again when the timer fires, because it counts from the event loop's last turn and may fire early.
  if (holdMs > 0) setTimeout(() => sendReply(channel, action, reply, receivedMs), Math.ceil(holdMs)).unref();
  else channel.send('axm:reply', { action_name: action, return: printableAsJson(reply) });
}

/**
 * Reads a trigger of one of our actions. Without parameters PM2 sends only the action's name, else its whole command, with the id
 * or name that it is addressed to (lib/God/ActionMethods.js, msgProcess).
 */
export function readTrigger(message: unknown): { action: ActionName; raw: unknown; addressed: Addressed } | undefined {
  const command = typeof message === 'string' ? { msg: message } : (message as Command | null);
  const action = ACTION_NAMES.find((known) => known === command?.msg);
  if (!action || !command) return undefined;
  const addressed = command.id !== undefined ? 'id' : command.name !== undefined ? 'name' : 'unknown';
  return { action, raw: command.opts, addressed };
}

interface Command {
  msg?: unknown;
  id?: unknown;
  name?: unknown;
  opts?: unknown;
}
