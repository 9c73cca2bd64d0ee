// Passes agents' messages on to their receivers. It drops what is no message, what claims to come from another process, and what
// is too much, so that no process can harm another one with what it sends.

import type { AgentMessage } from '../../contract/agentMessages.ts';
import { appOf } from '../../contract/app.ts';
import { type PmId, slotOf } from '../../contract/pmId.ts';
import { subjectOf } from '../events/events.ts';
import { learn, type Member } from '../fleet/fleet.ts';
import type { Daemon } from '../pm2/daemon.ts';
import type { AgentCalls } from './agentCalls.ts';
import { type Heard, readAgentMessage } from './agentMessages.ts';
import type { AttachLoop } from './attachLoop.ts';
import type { BadMessages } from './badMessages.ts';
import type { Handshake } from './handshake.ts';
import type { Knocks } from './knocks.ts';
import type { Services } from './services.ts';

type Of<Kind> = Extract<AgentMessage, { kind: Kind }>;

/** The receivers of the messages. */
export interface AgentEars extends Pick<Services, 'fleet' | 'events'> {
  handshake: Pick<Handshake, 'heard'>;
  knocks: Pick<Knocks, 'knocked'>;
  attachLoop: Pick<AttachLoop, 'lost'>;
  /** Decides which instances may drain and dump. */
  coordinator: { ask(pmId: PmId, ask: Of<'ask'>): void; done(askId: string, pid: number): void };
  /** Compresses dumps. */
  compressor: {
    begin(message: Of<'compress'>): boolean;
    end(pmId: PmId, message: Of<'compress-end'>): void;
    cancel(isMeant: (job: { id: string; pid: number }) => boolean): void;
  };
  calls: Pick<AgentCalls, 'heard'>;
  bad: BadMessages;
  send: Daemon['send'];
  /** An agent has said hello, so PM2's list may have changed. */
  onHello(): void;
}

/** @returns a function that takes what a process has sent over the bus; PM2's daemon fills in `pmId` */
export function createAgentEars({
  fleet,
  events,
  handshake,
  knocks,
  attachLoop,
  coordinator,
  compressor,
  calls,
  bad,
  send,
  onHello,
}: AgentEars): (pmId: PmId, data: unknown) => void {
  return (pmId, data) => {
    const heard = bad.isFlooding(pmId) ? FLOOD : readAgentMessage(data);
    if ('message' in heard) {
      hear(pmId, heard.message);
      return;
    }
    bad.refuse(pmId, heard.refused);
    // The reply was refused; its caller must not wait until its deadline.
    if (heard.nonce !== undefined) calls.heard(pmId, { kind: 'reply', nonce: heard.nonce, reply: NO_REPLY });
  };

  function hear(pmId: PmId, message: AgentMessage): void {
    // A process must not act under the id of another process's action.
    if ('id' in message && !message.id.startsWith(`${message.pid}-`)) {
      bad.refuse(pmId, `a "${message.kind}" under an id of another process`);
      return;
    }
    switch (message.kind) {
      case 'hello':
        // A hello that this module has not asked for may be a late answer to its predecessor.
        if (handshake.heard(pmId, message)) onHello();
        break;
      case 'knock':
        knocks.knocked(pmId, message.pid);
        break;
      case 'state': {
        const member = sender(pmId, message.pid);
        if (!member) break;
        const before = member.state;
        learn(member, message);
        events.emit('state', { process: subjectOf(member.process), state: message.state, before });
        break;
      }
      case 'leaves': {
        const member = sender(pmId, message.report.pid);
        if (!member) break;
        const app = appOf(member.process);
        events.emit('exit-report', { process: subjectOf(member.process), app, report: message.report });
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
        if (!calls.heard(pmId, message))
          bad.refuse(pmId, `a "${message.kind}" to a question that another process was asked`);
        break;
      case 'bye':
        if (sender(pmId, message.pid)) attachLoop.lost(pmId, message.reason, message.forGood);
    }
  }

  /** The sender of a message: the process with that pid, if PM2 lists it under this id, or did a moment ago. */
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
