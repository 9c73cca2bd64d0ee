// Tells whose event loop is blocked. The module sends nothing to an app that it sees waiting for events. Another app gets a single
// question, which even a busy event loop answers between two requests. The module asks only when a person or an action needs it.
import { setTimeout as sleep } from 'node:timers/promises';
import { idleness } from '../../shared/linux/idleness.ts';
import { readStat } from '../../shared/linux/proc.ts';
import { type Events, subjectOf } from '../events/events.ts';
import type { Fleet, Member } from './fleet.ts';

/** An event loop that has not answered for this long is blocked. */
export const BLOCKED_AFTER_MS = 2_000;
/** How long the module looks at a process before it asks, and the pause between two looks. */
const LOOK_MS = 100;
const LOOK_EVERY_MS = 10;
/** How long an unanswered question counts: the module asks that process no second one meanwhile. */
const QUESTION_STANDS_MS = 10 * 60_000;

export interface Responsiveness {
  /**
   * Looks at processes; takes 2 s if one of them is blocked and the module did not know it yet.
   * @returns by pid: for how many milliseconds its event loop has not answered
   */
  blocked(members: readonly Member[]): Promise<Map<number, number>>;
}

/** An unanswered question. */
interface Question {
  askedMs: number;
  answered: boolean;
}

/**
 * @param ask asks the agent of a process; resolves with whether it answered
 */
export function createResponsiveness(
  fleet: Fleet,
  ask: (member: Member, withinMs: number) => Promise<boolean>,
  events: Events,
): Responsiveness {
  /** The unanswered questions by pid. */
  const questions = new Map<number, Question>();

  return {
    async blocked(members) {
      forgetTheGone();
      const candidates = members.filter(
        ({ process: listed, attachment }) => listed.pid > 0 && attachment.is !== 'skipped',
      );
      const found = await Promise.all(
        candidates.map(async (member) => {
          const blockedMs = await silence(member);
          if (blockedMs !== null) events.emit('blocked', { process: subjectOf(member.process), blockedMs });
          return [member.process.pid, blockedMs] as const;
        }),
      );
      return new Map(found.flatMap(([pid, ms]) => (ms === null ? [] : [[pid, ms]])));
    },
  };

  /** For how long a process has not answered; null unless that is long enough to call it blocked. */
  async function silence(member: Member): Promise<number | null> {
    const { pid } = member.process;
    if (await isSeenIdle(pid, LOOK_MS)) {
      questions.delete(pid);
      return null;
    }
    const question = questions.get(pid) ?? put(member);
    for (;;) {
      if (question.answered || readStat(pid) === null) return null;
      const silentMs = performance.now() - question.askedMs;
      if (silentMs >= BLOCKED_AFTER_MS) return Math.round(silentMs);
      if (await isSeenIdle(pid, LOOK_EVERY_MS)) {
        questions.delete(pid);
        return null;
      }
    }
  }

  function put(member: Member): Question {
    const { pid } = member.process;
    const question: Question = { askedMs: performance.now(), answered: false };
    questions.set(pid, question);
    // A process without an agent cannot answer. It is blocked if the last attach has found it so.
    if (member.attachment.is !== 'attached') {
      question.answered = !isFoundBlocked(member);
      if (question.answered) questions.delete(pid);
      return question;
    }
    ask(member, QUESTION_STANDS_MS).then(
      (answered) => {
        question.answered = answered;
        if (questions.get(pid) === question) questions.delete(pid);
      },
      // PM2 could not pass the question on, so the module learns nothing.
      () => {
        question.answered = true;
        if (questions.get(pid) === question) questions.delete(pid);
      },
    );
    return question;
  }

  function forgetTheGone(): void {
    const living = new Set(fleet.members().map(({ process: listed }) => listed.pid));
    for (const pid of questions.keys()) if (!living.has(pid)) questions.delete(pid);
  }
}

/** Does a process wait for events at some look within that time? Looks at least once. */
async function isSeenIdle(pid: number, ms: number): Promise<boolean> {
  const untilMs = performance.now() + ms;
  for (;;) {
    if (idleness(pid).idle && !isStopped(pid)) return true;
    if (performance.now() >= untilMs) return false;
    await sleep(LOOK_EVERY_MS);
  }
}

/** A process that was stopped (SIGSTOP) while it waited for events still looks idle. */
function isStopped(pid: number): boolean {
  return /^[Tt]/.test(readStat(pid)?.state ?? '');
}

function isFoundBlocked({ attachment }: Member): boolean {
  return attachment.is === 'waiting' && ['blocked', 'no-answer', 'stopped'].includes(attachment.code);
}
