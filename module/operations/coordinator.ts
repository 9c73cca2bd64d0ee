// Decides over the instances of an app: who may drain, who may dump, and when. PM2 sends a trigger by name to every
// instance at once; here it is made harmless.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentMessage, Grant } from '../../contract/agentMessages.ts';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { ListenAddress } from '../../contract/standing.ts';
import { shellLine } from '../../shared/text/shell.ts';
import { coverOf, list } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import type { PmId } from '../pm2/daemon.ts';
import { SERVES_WITHIN_MS, type StandIns } from './extraInstance.ts';

/** A question of an agent: may I? */
export type Ask = Extract<AgentMessage, { kind: 'ask' }>;

/**
 * How long a dump waits for its siblings to ask too, in milliseconds. PM2 sends a trigger by name to all within a few;
 * it does not say whether it was by name or by id.
 */
const GATHER_MS = 200;

/** How long an instance that asks late is taken to answer the same trigger by name, in milliseconds. */
const STRAGGLER_MS = 5_000;

/** An agent asks once for each action that runs; one that asks more often is none. */
const MOST_QUESTIONS = 3;

/** What the decision may take once a sibling serves, in milliseconds. */
const MARGIN_MS = 10_000;

/** How long an instance may take to say how it stands, and for how long one that does not is left alone, in milliseconds. */
const ANSWERS_WITHIN_MS = 300;
const SLOW_FOR_MS = 5_000;

/** How long an instance waits for its turn to dump, in milliseconds. */
const TURN_MS = 10 * 60_000;

/** Why one waits for its agent that may not serve yet. */
const STARTING_CODES: ReadonlySet<string> = new Set(['new', 'booting', 'reloading']);

export interface Coordinator {
  ask(pmId: PmId, ask: Ask): void;
  /** What was granted to an agent is over, or the agent gave up waiting. */
  done(askId: string, pid: number): void;
  /** A process is gone; what it held is free again. */
  gone(pid: number): void;
  /** Which instance of this app dumps its heap now, or is about to. */
  dumping(app: App): PmId | undefined;
}

interface Question {
  member: Member;
  ask: Ask;
}

/** The dumps of one app: those that gather, those whose turn comes, and the one that runs. */
interface Dumps {
  gathering: Question[];
  queue: Question[];
  running: Question | undefined;
  /** The instance chosen for a trigger by name, and until when one that asks late is told of it. */
  chosen: { question: Question; untilMs: number } | undefined;
}

export interface CoordinatorParts {
  fleet: Fleet;
  /** Delivers a verdict to the agent that asked; must not throw. */
  answer(pmId: PmId, askId: string, verdict: Grant): void;
  /** Adds a sibling for the time of a dump, and takes it away. */
  standIns: Pick<StandIns, 'start' | 'end'>;
  /** Asks an agent how it stands now, which updates the fleet. Settles in any case, within a second or so. */
  askState(member: Member): Promise<void>;
  /** Does a rolling reload of this app run? */
  reloading(app: App): boolean;
}

export function createCoordinator({ fleet, answer, standIns, askState, reloading }: CoordinatorParts): Coordinator {
  /** Drains granted and not yet seen in the instance's own state, by pid. */
  const draining = new Map<number, string>();
  const dumps = new Map<App, Dumps>();
  /** By the question of the dump that they were started for. */
  const helpers = new Map<string, PmId>();
  /** By pid: until when one is not asked again that did not answer. */
  const slow = new Map<number, number>();
  let drains: Promise<void> = Promise.resolve();

  return {
    ask(pmId, ask) {
      const member = fleet.get(pmId);
      if (!member || member.process.pid !== ask.pid) {
        answer(pmId, ask.id, refusal('E_STATE', 'pm2-ops does not know this process yet', 'try again in a second'));
      } else if (questionsOf(ask.pid) >= MOST_QUESTIONS) {
        const message = `this process has asked ${MOST_QUESTIONS} times and waits for the answers`;
        answer(pmId, ask.id, refusal('E_STATE', message, 'look at: pm2-ops status'));
      } else if (ask.action === 'drain') {
        // One after the other: each answer depends on the one before.
        drains = drains.then(() => decideDrain({ member, ask })).catch(() => {});
      } else if (ask.action === 'heapdump') {
        gather({ member, ask });
      } else {
        answer(pmId, ask.id, { is: 'go' });
      }
    },
    done(askId, pid) {
      finish((ask) => ask.id === askId && ask.pid === pid);
    },
    gone(pid) {
      slow.delete(pid);
      finish((ask) => ask.pid === pid);
    },
    dumping(app) {
      const { running, queue = [], gathering = [] } = dumps.get(app) ?? {};
      return (running ?? queue[0] ?? gathering[0])?.member.process.pmId;
    },
  };

  /** Those that wait, and the one that runs. */
  function questionsOf(pid: number): number {
    const open = [...dumps.values()].flatMap(({ gathering, queue, running }) => [...gathering, ...queue, running]);
    return open.filter((question) => question?.ask.pid === pid).length;
  }

  async function decideDrain(question: Question): Promise<void> {
    await learnStates(question.member);
    answer(question.member.process.pmId, question.ask.id, mayDrain(question));
  }

  /** A server that was opened or closed without the engine's doing may not have been told of. */
  async function learnStates(member: Member): Promise<void> {
    const instances = fleet.instancesOf(appOf(member.process));
    await Promise.all(instances.filter(({ attachment }) => attachment.is === 'attached').map(askBriefly));
  }

  /** One whose event loop is blocked counts as it last said: whoever asks for a decision does not wait for long. */
  async function askBriefly(member: Member): Promise<void> {
    const { pid } = member.process;
    if (Date.now() < (slow.get(pid) ?? 0)) return;
    const answered = askState(member).then(() => true);
    const late = sleep(ANSWERS_WITHIN_MS, false, { ref: false });
    if (!(await Promise.race([answered, late]))) slow.set(pid, Date.now() + SLOW_FOR_MS);
  }

  function mayDrain({ member, ask }: Question): Grant {
    const { serving, isLast, alone } = othersFor(member);
    if (isLast && ask.params.force !== true) return whyLast(member, serving, alone);
    draining.set(ask.pid, ask.id);
    return { is: 'go', ...(alone.length > 0 ? { alone: alone.map(({ at }) => at) } : {}) };
  }

  /** Who serves beside it, and which of its addresses they take over. */
  function othersFor(member: Member): { serving: Member[]; alone: ListenAddress[]; isLast: boolean } {
    const serving = fleet.siblingsOf(member).filter(isServing);
    const { covered, alone } = coverOf(member, serving);
    return { serving, alone, isLast: serving.length === 0 || (covered.length === 0 && alone.length > 0) };
  }

  function whyLast(member: Member, serving: Member[], alone: ListenAddress[]): Grant {
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

  /** Does this sibling take requests? One that never gets an agent is believed when PM2 says online; one that boots is not. */
  function isServing({ process, attachment, state, wrapper }: Member): boolean {
    if (process.status !== 'online' || draining.has(process.pid) || String(process.pmId).startsWith('_old_'))
      return false;
    if (attachment.is === 'waiting' && STARTING_CODES.has(attachment.code)) return false;
    return !wrapper && (state === 'serving' || state === 'unknown');
  }

  function gather(question: Question): void {
    const { member, ask } = question;
    const app = appOf(member.process);
    if (reloading(app)) {
      // It would be ended in the middle, or hold the reload up.
      const message = `${titleOf(member.process)} is being reloaded, which replaces this process`;
      answer(member.process.pmId, ask.id, refusal('E_STATE', message, 'dump when pm2-ops reload has ended'));
      return;
    }
    const own = dumps.get(app) ?? { gathering: [], queue: [], running: undefined, chosen: undefined };
    dumps.set(app, own);
    const wait = (reason: string) => answer(member.process.pmId, ask.id, { is: 'wait', ms: TURN_MS, reason });
    if (ask.addressed === 'id' || ask.params.all === true) {
      wait('one dump of an app at a time');
      own.queue.push(question);
      nextDump(own);
    } else if (own.chosen && Date.now() < own.chosen.untilMs) {
      answer(member.process.pmId, ask.id, { is: 'skip', reason: whyNot(own.chosen.question, question) });
    } else {
      wait('the other instances may have been asked as well');
      if (own.gathering.length === 0) setTimeout(() => choose(own), GATHER_MS).unref();
      own.gathering.push(question);
    }
  }

  function choose(own: Dumps): void {
    const [largest, ...others] = own.gathering.sort((a, b) => b.ask.heapUsed - a.ask.heapUsed);
    own.gathering = [];
    if (!largest) return;
    own.queue.push(largest);
    for (const other of others) {
      answer(other.member.process.pmId, other.ask.id, { is: 'skip', reason: whyNot(largest, other) });
    }
    // One whose event loop was blocked asks when it is free again; it was the same trigger.
    if (others.length > 0) own.chosen = { question: largest, untilMs: Date.now() + STRAGGLER_MS };
    nextDump(own);
  }

  function nextDump(own: Dumps): void {
    if (own.running) return;
    const next = own.queue.shift();
    own.running = next;
    if (next) void beginDump(own, next);
  }

  async function beginDump(own: Dumps, question: Question): Promise<void> {
    const trouble = await addHelper(own, question).catch((error: Error) => error.message);
    drains = drains.then(() => letDump(own, question, trouble)).catch(() => {});
  }

  /** @returns why there is no sibling although one was asked for */
  async function addHelper(own: Dumps, { member, ask }: Question): Promise<string | undefined> {
    if (ask.params.scale !== true || member.process.mode === 'fork') return undefined;
    if (member.state !== 'serving') await askState(member);
    // Nobody stands in for a process that serves nobody.
    if (member.state !== 'serving') return undefined;
    await learnStates(member);
    if (!othersFor(member).isLast) return undefined;
    const reason = 'a sibling is started for the time of the dump';
    answer(member.process.pmId, ask.id, { is: 'wait', ms: SERVES_WITHIN_MS + MARGIN_MS, reason });
    const helper = await standIns.start(member);
    if (own.running?.ask.id === ask.id) helpers.set(ask.id, helper);
    else void standIns.end(helper);
    return undefined;
  }

  /** Where siblings serve, it is drained meanwhile; else it dumps in place, and knows why. */
  async function letDump(own: Dumps, question: Question, trouble: string | undefined): Promise<void> {
    const { member, ask } = question;
    await learnStates(member);
    // Gone meanwhile.
    if (own.running !== question) return;
    const { serving, isLast, alone } = othersFor(member);
    const reason = isLast ? whyInPlace(member, serving, alone) : undefined;
    if (reason === undefined) draining.set(ask.pid, ask.id);
    const whole = [reason, trouble && `and a sibling could not be started: ${trouble}`].filter(Boolean).join(', ');
    const drain = reason === undefined ? ({ may: true } as const) : ({ may: false, reason: whole } as const);
    answer(member.process.pmId, ask.id, {
      is: 'go',
      drain,
      ...(reason === undefined && alone.length > 0 ? { alone: alone.map(({ at }) => at) } : {}),
    });
  }

  function whyInPlace(member: Member, serving: Member[], alone: ListenAddress[]): string {
    const { mode } = member.process;
    const name = titleOf(member.process);
    const instances = fleet.siblingsOf(member).length + 1;
    if (serving.length > 0) return `no other instance of ${name} listens on ${list(alone)} (${elsewhere(serving)})`;
    if (instances > 1) return `${name} has ${instances} instances and no other one serves now`;
    if (mode === 'fork') return `${name} has one instance, which runs in fork mode`;
    return `${name} has one instance (scale=true adds one for the time of the dump)`;
  }

  function finish(isMeant: (ask: { id: string; pid: number }) => boolean): void {
    for (const [pid, id] of draining) {
      if (isMeant({ id, pid })) draining.delete(pid);
    }
    for (const own of dumps.values()) {
      own.gathering = own.gathering.filter(({ ask }) => !isMeant(ask));
      own.queue = own.queue.filter(({ ask }) => !isMeant(ask));
      if (own.running && isMeant(own.running.ask)) {
        const helper = helpers.get(own.running.ask.id);
        helpers.delete(own.running.ask.id);
        own.running = undefined;
        if (helper !== undefined) void standIns.end(helper);
      }
      nextDump(own);
    }
  }
}

/** `the others: 127.0.0.1:3911, 127.0.0.1:3912` */
function elsewhere(others: readonly Member[]): string {
  const addresses = others.flatMap((each) => each.addresses ?? []);
  return addresses.length === 0 ? 'where the others listen is not known' : `the others: ${list(addresses)}`;
}

function whyNot(largest: Question, { member }: Question): string {
  const mb = Math.round(largest.ask.heapUsed / 2 ** 20);
  return (
    `instance ${largest.member.process.pmId} dumps, it has the largest heap (${mb} MB); ` +
    `for this one: pm2 trigger ${member.process.pmId} heapdump; for all, one after the other: ${shellLine('pm2', 'trigger', member.process.name, 'heapdump', 'all=true')}`
  );
}

function refusal(code: 'E_LAST' | 'E_STATE', message: string, hint: string): Grant {
  return { is: 'refuse', code, message, hint };
}
