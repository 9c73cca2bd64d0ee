// Decides whether an instance may be drained: only while other instances serve at its addresses, and never the last one.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentMessage, Grant } from '../../contract/agentMessages.ts';
import { appOf, titleOf } from '../../contract/app.ts';
import type { ListenAddress } from '../../contract/standing.ts';
import { shellLine } from '../../shared/text/shell.ts';
import { coverOf, list } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { mayServe } from '../fleet/serving.ts';

/** How long an instance may take to tell how it stands, and how long to wait before asking a slow one again. */
const ANSWERS_WITHIN_MS = 300;
const SLOW_FOR_MS = 5_000;

/** A question of an agent: may I? */
export type Ask = Extract<AgentMessage, { kind: 'ask' }>;

/** The question, and the instance whose agent asks. */
export interface Question {
  member: Member;
  ask: Ask;
}

/** The other instances that serve beside an instance. */
export interface Others {
  serving: Member[];
  /** Its addresses at which none of them listens. */
  alone: ListenAddress[];
  /** Is it the last instance, or the last one where it listens? */
  isLast: boolean;
}

/** Decides over drains. */
export interface DrainGrants {
  /** Asks every instance of the app how it stands now. */
  learnStates(member: Member): Promise<void>;
  othersFor(member: Member): Others;
  /** Grants a drain, or says why the instance may not be drained. */
  decide(question: Question): Grant;
  /** Records that an instance drains from now on, so that no other one counts on it. */
  begins(ask: Ask): void;
  /** Records that these drains are over. */
  finish(isMeant: (ask: { id: string; pid: number }) => boolean): void;
  /** Forgets a process that is gone. */
  forget(pid: number): void;
}

/** @param askState asks an agent how its process stands now, which updates the fleet */
export function createDrainGrants(fleet: Fleet, askState: (member: Member) => Promise<void>): DrainGrants {
  /** By pid: the question of a drain that is granted and does not show in the instance's own state yet. */
  const draining = new Map<number, string>();
  /** By pid: when to ask an instance again that has not answered. */
  const slow = new Map<number, number>();
  return {
    learnStates,
    othersFor,
    decide,
    begins: ({ pid, id }) => draining.set(pid, id),
    finish(isMeant) {
      for (const [pid, id] of draining) {
        if (isMeant({ id, pid })) draining.delete(pid);
      }
    },
    forget: (pid) => slow.delete(pid),
  };

  /** Asks every instance, because a process does not always tell that it has opened or closed a server itself. */
  async function learnStates(member: Member): Promise<void> {
    const instances = fleet.instancesOf(appOf(member.process));
    await Promise.all(instances.filter(({ attachment }) => attachment.is === 'attached').map(askBriefly));
  }

  /** Asks an instance, but does not wait long: for one whose event loop is blocked, its last state counts. */
  async function askBriefly(member: Member): Promise<void> {
    const { pid } = member.process;
    if (Date.now() < (slow.get(pid) ?? 0)) return;
    const answered = askState(member).then(() => true);
    const late = sleep(ANSWERS_WITHIN_MS, false, { ref: false });
    if (!(await Promise.race([answered, late]))) slow.set(pid, Date.now() + SLOW_FOR_MS);
  }

  function othersFor(member: Member): Others {
    const serving = fleet.siblingsOf(member).filter((each) => mayServe(each) && !draining.has(each.process.pid));
    const { covered, alone } = coverOf(member, serving);
    return { serving, alone, isLast: serving.length === 0 || (covered.length === 0 && alone.length > 0) };
  }

  function decide({ member, ask }: Question): Grant {
    const others = othersFor(member);
    if (others.isLast && ask.params.force !== true) return whyLast(member, others);
    draining.set(ask.pid, ask.id);
    const { alone } = others;
    return { is: 'go', ...(alone.length > 0 ? { alone: alone.map(({ at }) => at) } : {}) };
  }

  function whyLast(member: Member, { serving, alone }: Others): Grant {
    const { pmId } = member.process;
    const name = titleOf(member.process);
    const instances = fleet.siblingsOf(member).length + 1;
    const force = `pm2 trigger ${pmId} drain force=true`;
    if (serving.length > 0) {
      return refusal(
        'E_LAST',
        `no other instance of ${name} listens on ${list(alone)} (${elsewhere(serving)}): draining this one would leave nobody there`,
        `clients of ${list(alone)} would be refused: ${force}`,
      );
    }
    return refusal(
      'E_LAST',
      instances === 1
        ? `${name} has one instance, and draining it would leave nobody to serve`
        : `${name} has ${instances} instances and no other one serves now; draining this one would leave nobody`,
      `add one first: ${shellLine('pm2', 'scale', member.process.name, '+1')} (cluster mode); or let clients wait: ${force}`,
    );
  }
}

/** `the others: 127.0.0.1:3911, 127.0.0.1:3912` */
export function elsewhere(others: readonly Member[]): string {
  const addresses = others.flatMap((each) => each.addresses ?? []);
  return addresses.length === 0 ? 'where the others listen is not known' : `the others: ${list(addresses)}`;
}

/** The coordinator's refusal. */
export function refusal(code: 'E_LAST' | 'E_STATE', message: string, hint: string): Grant {
  return { is: 'refuse', code, message, hint };
}
