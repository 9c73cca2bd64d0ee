// The stub stays in a process without an agent. It answers the actions, because PM2 never forgets one that it has listed, and starts
// an agent when a module sends a welcome. It holds no server and does not keep the process alive.
import type { ActionName } from '../contract/actions/index.ts';
import { AGENT_MESSAGE, type AgentMessage, type AgentOptions, type ModuleMessage } from '../contract/agentMessages.ts';
import type { Failure } from '../contract/errors.ts';
import { VERSION } from '../contract/version.ts';
import { type Channel, openChannel } from './channel.ts';
import { readTrigger, registerAction, sendReply } from './trigger.ts';

/**
 * Opens the stub.
 * @param names the actions to answer with `E_STATE`
 * @param reason why there is no agent
 * @param onWelcome called when a module sends its welcome
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
 * Tells the module that this process waits for a welcome: a running module gets the message, and one that starts later sees the
 * action in PM2's list.
 */
export function knockAt(stub: Channel): void {
  registerAction(stub, 'ops-status');
  stub.send(AGENT_MESSAGE, { kind: 'knock', version: VERSION, pid: process.pid } satisfies AgentMessage);
}
