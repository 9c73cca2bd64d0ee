// The stub stays in a process that has no agent: it answers the actions that PM2 still lists, because PM2 forgets none, and lets a
// module in that comes (back) over the bus. It holds no server, and does not keep the process alive.
import type { ActionName } from '../contract/actions/index.ts';
import { AGENT_MESSAGE, type AgentMessage, type AgentOptions, type ModuleMessage } from '../contract/agentMessages.ts';
import type { Failure } from '../contract/errors.ts';
import { VERSION } from '../contract/version.ts';
import { type Channel, openChannel } from './channel.ts';
import { readTrigger, registerAction, sendReply } from './trigger.ts';

/**
 * Opens the stub.
 * @param names actions that are answered with `E_STATE`
 * @param reason why there is no agent
 * @param onWelcome a module is there
 */
export function openStub(
  names: ReadonlySet<ActionName>,
  reason: string,
  onWelcome: (load: { options: AgentOptions; nonce: string }) => void,
): Channel | null {
  const triggerOf = (message: unknown) => {
    const trigger = readTrigger(message);
    return trigger && names.has(trigger.action) ? trigger : undefined;
  };
  const stub = openChannel({
    onPacket(data) {
      const message = data as ModuleMessage;
      if (message.kind === 'welcome') onWelcome({ options: message.options, nonce: message.nonce });
    },
    isOurs: (message) => triggerOf(message) !== undefined,
    onMessage(message) {
      const trigger = triggerOf(message);
      if (!trigger || !stub) return false;
      const reply: Failure = {
        ok: false,
        action: trigger.action,
        code: 'E_STATE',
        message: `pm2-ops is not attached to this process: ${reason}`,
        hint: 'to have it back: pm2 install pm2-ops; PM2 forgets the action when the process restarts',
      };
      sendReply(stub, trigger.action, reply, performance.now());
      return true;
    },
  });
  return stub;
}

/**
 * Tells the module that this process waits for its welcome: a module that runs hears the message, one that comes later sees
 * the action in PM2's list.
 */
export function knockAt(stub: Channel): void {
  registerAction(stub, 'ops-status');
  stub.send(AGENT_MESSAGE, { kind: 'knock', version: VERSION, pid: process.pid } satisfies AgentMessage);
}
