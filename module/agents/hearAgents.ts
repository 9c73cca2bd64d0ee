// What agents say on the bus, given to the room that it is for: only what is a message, only of the process that it says it
// is of, and never more of it than the module can bear. Whatever one process sends, it is the only one to bear the harm.

import type { AgentMessage } from '../../contract/agentMessages.ts';
import { appOf } from '../../contract/app.ts';
import { type Fleet, learn, type Member } from '../fleet/fleet.ts';
import type { Compressor } from '../operations/compressor.ts';
import type { Coordinator } from '../operations/coordinator.ts';
import { type Daemon, type PmId, slotOf } from '../pm2/daemon.ts';
import type { AgentCalls } from './agentCalls.ts';
import { type Heard, readAgentMessage } from './agentMessages.ts';
import type { Keeper } from './attachLoop.ts';
import type { BadMessages } from './badMessages.ts';

export interface AgentEars {
  fleet: Fleet;
  keeper: Pick<Keeper, 'heard' | 'knocked' | 'left'>;
  coordinator: Pick<Coordinator, 'ask' | 'done'>;
  compressor: Pick<Compressor, 'begin' | 'end' | 'cancel'>;
  calls: Pick<AgentCalls, 'heard'>;
  bad: BadMessages;
  send: Daemon['send'];
  /** An agent is new, or has come back: PM2's list is worth a look. */
  onHello(): void;
  /** A process has told how it stands. */
  onState(): void;
}

/** @returns hears what a process has put on the bus; `pmId` is filled in by PM2's daemon */
export function createAgentEars({
  fleet,
  keeper,
  coordinator,
  compressor,
  calls,
  bad,
  send,
  onHello,
  onState,
}: AgentEars): (pmId: PmId, data: unknown) => void {
  return (pmId, data) => {
    const heard = bad.isFlooding(pmId) ? FLOOD : readAgentMessage(data);
    if ('message' in heard) {
      hear(pmId, heard.message);
      return;
    }
    bad.refuse(pmId, heard.refused);
    // Whoever asked must not have to wait for a reply that is none.
    if (heard.nonce !== undefined) calls.heard(pmId, { kind: 'reply', nonce: heard.nonce, reply: NO_REPLY });
  };

  function hear(pmId: PmId, message: AgentMessage): void {
    // So that none can be taken for another's.
    if ('id' in message && !message.id.startsWith(`${message.pid}-`)) {
      bad.refuse(pmId, `a "${message.kind}" under an id of another process`);
      return;
    }
    switch (message.kind) {
      case 'hello':
        // Else it may be late, to a module before this one.
        if (keeper.heard(pmId, message)) onHello();
        onState();
        break;
      case 'knock':
        keeper.knocked(pmId, message.pid);
        break;
      case 'state': {
        const member = sender(pmId, message.pid);
        if (!member) break;
        learn(member, message);
        onState();
        break;
      }
      case 'leaves': {
        const member = sender(pmId, message.report.pid);
        if (member) fleet.leaves.set(appOf(member.process), message.report);
        break;
      }
      case 'ask':
        coordinator.ask(pmId, message);
        break;
      case 'done':
        if (!sender(pmId, message.pid)) break;
        coordinator.done(message.id, message.pid);
        compressor.cancel(({ id, pid }) => id === message.id && pid === message.pid);
        break;
      case 'compress':
        if (sender(pmId, message.pid) && !compressor.begin(message))
          bad.refuse(pmId, 'a "compress" of files that are not its own dumps');
        break;
      case 'compress-end':
        if (sender(pmId, message.pid)) compressor.end(pmId, message);
        break;
      case 'echo':
        if (sender(pmId, message.pid)) send(pmId, { kind: 'echo', id: message.id }).catch(() => {});
        break;
      case 'reply':
      case 'progress':
        if (!calls.heard(pmId, message)) bad.refuse(pmId, `a "${message.kind}" to somebody else's question`);
        break;
      case 'bye':
        if (sender(pmId, message.pid)) keeper.left(pmId, message.reason, message.forGood);
    }
  }

  /** The process that it says it is, if PM2 has that one under this id, or had a moment ago. */
  function sender(pmId: PmId, pid: number): Member | undefined {
    return [pmId, slotOf(pmId)].map((id) => fleet.get(id)).find((member) => member?.process.pid === pid);
  }
}

const FLOOD: Heard = { refused: 'more messages than the module looks at' };

const NO_REPLY = {
  ok: false,
  action: '',
  code: 'E_INTERNAL',
  message: 'the process answered with something that is no reply',
  hint: 'its agent was changed, or something else answers in its place: restart it',
} as const;
