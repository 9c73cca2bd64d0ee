// Whose event loop does not answer? Nothing is sent to an app that is seen waiting for events; one that never is gets a single
// question, which its event loop answers between two requests however busy it is. Asked only when somebody wants to know.
import { setTimeout as sleep } from 'node:timers/promises';
import { idleness } from '../../shared/linux/idleness.ts';
import { readStat } from '../../shared/linux/proc.ts';
import { type Events, subjectOf } from '../events/events.ts';
import type { Fleet, Member } from './fleet.ts';

/** An event loop that has not answered for so long is blocked, in milliseconds. */
export const BLOCKED_AFTER_MS = 2_000;
/** How long a process is looked at before it is asked, and the pause between two looks, in milliseconds. */
const LOOK_MS = 100;
const LOOK_EVERY_MS = 10;
/** How long an unanswered question stands, in milliseconds: nobody is asked a second one meanwhile. */
const QUESTION_STANDS_MS = 10 * 60_000;

export interface Responsiveness {
  /**
   * Looks at processes; takes 2 s when one of them is blocked and was not known to be.
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
 * @param ask has the agent of a process answer; settles with whether it did
 */
export function createResponsiveness(
  fleet: Fleet,
  ask: (member: Member, withinMs: number) => Promise<boolean>,
  events: Events,
): Responsiveness {
  /** By pid. */
  const questions = new Map<number, Question>();

  return {
    async blocked(members) {
      forgetTheGone();
      const candidates = members.filter(({ process, attachment }) => process.pid > 0 && attachment.is !== 'skipped');
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

  /** For how long it has not answered, if that is long enough. */
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
    // Without an agent nobody answers: such a process is blocked when an attach has found it so.
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
      // It could not be asked, and so nothing is known.
      () => {
        question.answered = true;
        if (questions.get(pid) === question) questions.delete(pid);
      },
    );
    return question;
  }

  function forgetTheGone(): void {
    const living = new Set(fleet.members().map(({ process }) => process.pid));
    for (const pid of questions.keys()) if (!living.has(pid)) questions.delete(pid);
  }
}

/** Is a process seen waiting for events within so many milliseconds? Looks at least once. */
async function isSeenIdle(pid: number, ms: number): Promise<boolean> {
  const untilMs = performance.now() + ms;
  for (;;) {
    if (idleness(pid).idle && !isStopped(pid)) return true;
    if (performance.now() >= untilMs) return false;
    await sleep(LOOK_EVERY_MS);
  }
}

/** Stopped while it waited for events, it still looks as if it did. */
function isStopped(pid: number): boolean {
  return /^[Tt]/.test(readStat(pid)?.state ?? '');
}

function isFoundBlocked({ attachment }: Member): boolean {
  return attachment.is === 'waiting' && ['blocked', 'no-answer', 'stopped'].includes(attachment.code);
}
