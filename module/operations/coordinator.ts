// Answers the agents' questions: an agent asks before it drains or dumps its process, because only the module sees all instances
// of the app. PM2 sends a trigger by name to every instance at once; here it becomes harmless.
import type { Grant } from '../../contract/agentMessages.ts';
import type { App } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { type Ask, createDrainGrants, refusal } from './drainGrants.ts';
import { createDumpGrants } from './dumpGrants.ts';
import type { ExtraInstances } from './extraInstance.ts';
import type { Turns } from './turns.ts';

/** An agent has one question for each running action; a process with more open questions misbehaves, and is refused. */
const MOST_QUESTIONS = 3;

/** Decides over the instances of an app. */
export interface Coordinator {
  ask(pmId: PmId, ask: Ask): void;
  /** A granted action is over, or the agent gave up waiting for its grant. */
  done(askId: string, pid: number): void;
  /** A process is gone; its grants are free again. */
  gone(pid: number): void;
}

/** What the coordinator needs of the module. */
export interface CoordinatorParts {
  fleet: Fleet;
  /** One dump of an app at a time. */
  turns: Turns;
  /** Delivers a grant to the agent that asked; must not throw. */
  answer(pmId: PmId, askId: string, grant: Grant): void;
  /** Adds an instance for the time of a dump, and takes it away. */
  extraInstances: Pick<ExtraInstances, 'whyNot' | 'start' | 'end'>;
  /** Asks an agent how it stands now, which updates the fleet. Settles in any case, within a second or so. */
  askState(member: Member): Promise<void>;
  /** Does a rolling reload of this app run? */
  reloading(app: App): boolean;
}

/** Nothing is granted yet. */
export function createCoordinator(parts: CoordinatorParts): Coordinator {
  const { fleet, answer, askState } = parts;
  const grants = createDrainGrants(fleet, askState);
  let decisions: Promise<void> = Promise.resolve();
  const inOrder = (decide: () => Promise<void>) => {
    decisions = decisions.then(decide).catch(() => {});
  };
  const dumps = createDumpGrants({ ...parts, grants, inOrder });

  return {
    ask(pmId, ask) {
      const member = fleet.get(pmId);
      if (!member || member.process.pid !== ask.pid) {
        answer(pmId, ask.id, refusal('E_STATE', 'pm2-ops does not know this process yet', 'try again in a second'));
      } else if (dumps.questionsOf(ask.pid) >= MOST_QUESTIONS) {
        const message = `this process has asked ${MOST_QUESTIONS} times and waits for the answers`;
        answer(pmId, ask.id, refusal('E_STATE', message, 'look at: pm2-ops status'));
      } else if (ask.action === 'drain') {
        inOrder(async () => {
          await grants.learnStates(member);
          answer(member.process.pmId, ask.id, grants.decide({ member, ask }));
        });
      } else if (ask.action === 'heapdump') {
        dumps.ask({ member, ask });
      } else {
        answer(pmId, ask.id, { is: 'go' });
      }
    },
    done(askId, pid) {
      finish((ask) => ask.id === askId && ask.pid === pid);
    },
    gone(pid) {
      grants.forget(pid);
      finish((ask) => ask.pid === pid);
    },
  };

  function finish(isMeant: (ask: { id: string; pid: number }) => boolean): void {
    grants.finish(isMeant);
    dumps.finish(isMeant);
  }
}
