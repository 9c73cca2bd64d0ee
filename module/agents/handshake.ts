// Asks whether there is an agent in a process, and how the process stands. Asks with a nonce, so that no other process can answer.
import { randomUUID } from 'node:crypto';
import type { AgentMessage } from '../../contract/agentMessages.ts';
import type { PmId } from '../../contract/pmId.ts';
import { VERSION } from '../../contract/version.ts';
import { subjectOf } from '../events/events.ts';
import { isAttached } from '../fleet/attachment.ts';
import { learn, type Member } from '../fleet/fleet.ts';
import type { OptionsFor } from './agentOptions.ts';
import type { Services } from './services.ts';

/** How long an agent may take to answer; with a free event loop it takes a few milliseconds. */
export const HELLO_WITHIN_MS = 1_000;
/** How many unanswered nonces of one process the module keeps. */
const MOST_UNANSWERED = 16;

export type Hello = Extract<AgentMessage, { kind: 'hello' }>;

export interface Handshake {
  /** Offers options to an agent that may be there. @returns its answer; undefined unless it is an agent of this version */
  welcome(member: Member): Promise<Hello | undefined>;
  /** Has an agent tell how its process stands now. Always resolves. */
  askState(member: Member): Promise<void>;
  /** @returns whether an agent of any version answers within that time @throws when PM2 cannot pass the question on */
  answers(member: Member, withinMs: number): Promise<boolean>;
  /**
   * Expects the answer to a nonce. To be called before the nonce is sent, because the answer may come before the send resolves.
   * @returns a function that waits for the answer
   */
  expect(nonce: string, pid: number): (withinMs?: number) => Promise<Hello | undefined>;
  /** Takes a hello of an agent. @returns false if the process was not asked with its nonce */
  heard(pmId: PmId, hello: Hello): boolean;
}

type Parts = Pick<Services, 'daemon' | 'fleet' | 'events'> & { optionsFor: OptionsFor };

export function createHandshake({ daemon, fleet, events, optionsFor }: Parts): Handshake {
  /** By nonce. A nonce stays after its deadline, because an agent may answer late. */
  const asked = new Map<string, { pid: number; answer(hello: Hello): void }>();

  return { welcome, askState, answers, expect, heard };

  async function welcome(member: Member): Promise<Hello | undefined> {
    const answer = await ask(member, HELLO_WITHIN_MS);
    return answer?.version === VERSION ? answer : undefined;
  }

  async function askState(member: Member): Promise<void> {
    await welcome(member).catch(() => undefined);
  }

  async function answers(member: Member, withinMs: number): Promise<boolean> {
    return (await ask(member, withinMs)) !== undefined;
  }

  async function ask(member: Member, withinMs: number): Promise<Hello | undefined> {
    const nonce = randomUUID();
    const answer = expect(nonce, member.process.pid);
    await daemon.send(member.process.pmId, { kind: 'welcome', nonce, options: optionsFor(member.process) });
    return answer(withinMs);
  }

  function expect(nonce: string, pid: number): (withinMs?: number) => Promise<Hello | undefined> {
    forgetOld(pid);
    const hello = new Promise<Hello>((resolve) => asked.set(nonce, { pid, answer: resolve }));
    return (withinMs = HELLO_WITHIN_MS) => inTime(hello, withinMs);
  }

  function forgetOld(pid: number): void {
    const pids = new Set(fleet.members().map((member) => member.process.pid));
    for (const [each, question] of asked) if (!pids.has(question.pid)) asked.delete(each);
    const older = [...asked].filter(([, question]) => question.pid === pid);
    for (const [each] of older.slice(0, Math.max(0, older.length - MOST_UNANSWERED + 1))) asked.delete(each);
  }

  function heard(pmId: PmId, hello: Hello): boolean {
    const member = fleet.get(pmId);
    const question = asked.get(hello.nonce ?? '');
    if (!question || question.pid !== hello.pid || member?.process.pid !== hello.pid) return false;
    asked.delete(hello.nonce ?? '');
    const before = member.state;
    const isNews = !isAttached(member);
    learn(member, hello);
    member.kept = hello.kept;
    member.wrapper = hello.wrapper;
    member.loadsDoor = hello.loadsDoor === true;
    if (hello.version === VERSION) {
      member.attachment = { is: 'attached', version: hello.version, since: Date.now() };
    }
    question.answer(hello);
    const subject = subjectOf(member.process);
    if (isNews && isAttached(member)) events.emit('attached', { process: subject, agent: hello.version });
    events.emit('state', { process: subject, state: hello.state, before });
    return true;
  }
}

async function inTime(hello: Promise<Hello>, withinMs: number): Promise<Hello | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, withinMs, undefined);
  });
  try {
    return await Promise.race([hello, late]);
  } finally {
    clearTimeout(timer);
  }
}
