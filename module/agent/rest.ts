// What stays in a process without an agent: it answers the actions that PM2 still lists, and lets a module that comes
// (back) in over the bus. It holds no server, and does not keep the process alive.
import {
  type ActionName,
  AGENT_MESSAGE,
  type AgentMessage,
  type AgentOptions,
  type Failure,
  MODULE_TOPIC,
  type ModuleMessage,
} from '../protocol.ts';
import { VERSION } from '../version.ts';
import { type Channel, openChannel } from './channel.ts';
import { readTrigger, registerAction, sendReply } from './trigger.ts';

/**
 * @param names actions that are answered with `E_STATE`
 * @param reason why there is no agent
 * @param onWelcome a module is there
 */
export function openRest(
  names: ReadonlySet<ActionName>,
  reason: string,
  onWelcome: (load: { options: AgentOptions; nonce: string }) => void,
): Channel | null {
  const rest = openChannel((message) => {
    try {
      const packet = message as { topic?: unknown; data?: ModuleMessage } | null;
      if (packet?.topic === MODULE_TOPIC) {
        if (packet.data?.kind === 'welcome') onWelcome({ options: packet.data.options, nonce: packet.data.nonce });
        return true;
      }
      const trigger = readTrigger(message);
      if (!trigger || !names.has(trigger.action) || !rest) return false;
      const reply: Failure = {
        ok: false,
        action: trigger.action,
        code: 'E_STATE',
        message: `pm2-ops is not attached to this process: ${reason}`,
        hint: 'to have it back: pm2 install pm2-ops; PM2 forgets the action when the process restarts',
      };
      sendReply(rest, trigger.action, reply, performance.now());
      return true;
    } catch {
      // Nothing of ours may throw into the app.
      return true;
    }
  });
  return rest;
}

/**
 * Tells the module that this process waits for its welcome: one that runs hears the message, one that comes later sees
 * the action in PM2's list.
 */
export function knockAt(rest: Channel): void {
  registerAction(rest, 'ops-status');
  rest.send(AGENT_MESSAGE, { kind: 'knock', version: VERSION, pid: process.pid } satisfies AgentMessage);
}
