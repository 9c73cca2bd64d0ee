// Decides when an instance may dump its heap: in its turn, and drained if other instances cover for it. A trigger by name reaches
// every instance at once. Then the one with the largest heap dumps, and the others reply how to ask for theirs.
import type { Grant } from '../../contract/agentMessages.ts';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import { shellLine } from '../../shared/text/shell.ts';
import { list } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { byLargestHeap } from '../fleet/largestHeap.ts';
import { saysItServes } from '../fleet/serving.ts';
import { type DrainGrants, elsewhere, type Others, type Question, refusal } from './drainGrants.ts';
import { type ExtraInstances, SERVES_WITHIN_MS } from './extraInstance.ts';
import { TURN_MS, type Turn, type Turns } from './turns.ts';

/**
 * How long a dump waits for the other instances to ask, too. PM2 does not tell whether a trigger is by name or by id, but it sends
 * one by name to all instances within a few milliseconds.
 */
const GATHER_MS = 200;

/** For how long an instance that asks late counts as answering the same trigger. */
const STRAGGLER_MS = 5_000;

/** How long the decision may take once an extra instance serves. */
const MARGIN_MS = 10_000;

/** The instance that was chosen for a trigger by name, and until when a late instance skips because of it. */
interface Chosen {
  question: Question;
  untilMs: number;
}

/** Decides over dumps. */
export interface DumpGrants {
  /** Takes an agent's question for a dump: tells it to wait, and sends its grant when its turn has come. */
  ask(question: Question): void;
  /** Records that these dumps are over, or that their agents have given up waiting. */
  finish(isMeant: (ask: { id: string; pid: number }) => boolean): void;
  /** How many questions of that process wait, or have their turn. */
  questionsOf(pid: number): number;
}

/** What dumps need of the module. */
export interface DumpGrantParts {
  fleet: Fleet;
  turns: Turns;
  grants: DrainGrants;
  answer(pmId: PmId, askId: string, grant: Grant): void;
  extraInstances: Pick<ExtraInstances, 'whyNot' | 'start' | 'end'>;
  askState(member: Member): Promise<void>;
  /** Does a reload of this app run? */
  reloading(app: App): boolean;
  /** Runs decisions one after the other, because each depends on the one before. */
  inOrder(decide: () => Promise<void>): void;
}

/** Decides over the dumps of all apps. */
export function createDumpGrants(parts: DumpGrantParts): DumpGrants {
  const { fleet, turns, grants, extraInstances, askState, reloading, inOrder } = parts;
  /** The questions of a trigger by name, while the other instances may still ask, too. */
  const gathering = new Map<App, Question[]>();
  const chosen = new Map<App, Chosen>();
  /** By id: the questions that wait for their turn, or have it. */
  const open = new Map<string, { question: Question; turn: Turn }>();
  /** The extra instances, by the question of the dump that each was started for. */
  const extras = new Map<string, PmId>();
  const answer = ({ member, ask }: Question, grant: Grant) => parts.answer(member.process.pmId, ask.id, grant);
  return {
    ask,
    finish,
    questionsOf(pid) {
      const questions = [...[...gathering.values()].flat(), ...[...open.values()].map(({ question }) => question)];
      return questions.filter(({ ask }) => ask.pid === pid).length;
    },
  };

  function ask(question: Question): void {
    const { member, ask } = question;
    const app = appOf(member.process);
    if (reloading(app)) {
      // The reload would end the dump in the middle, or the dump would hold the reload up.
      const message = `${titleOf(member.process)} is being reloaded, which replaces this process`;
      answer(question, refusal('E_STATE', message, 'dump when pm2-ops reload has ended'));
      return;
    }
    const wait = (reason: string) => answer(question, { is: 'wait', ms: TURN_MS, reason });
    const before = chosen.get(app);
    const commandsTurn = ask.addressed === 'id' ? turnWithoutQuestion(app, ask.pid) : undefined;
    if (commandsTurn) {
      wait('it is the turn of this process');
      commandsTurn.share();
      open.set(ask.id, { question, turn: commandsTurn });
      void begin(question);
    } else if (ask.addressed === 'id' || ask.params.all === true) {
      wait('one dump of an app at a time');
      const turn = turns.enter(app, member.process, () => void begin(question));
      open.set(ask.id, { question, turn });
    } else if (before && Date.now() < before.untilMs) {
      answer(question, { is: 'skip', reason: whyNot(before.question, question) });
    } else {
      wait('the other instances may have been asked as well');
      const gathered = gathering.get(app);
      if (gathered) gathered.push(question);
      else gather(app, question);
    }
  }

  /** The turn that a command has taken for this process before it asked the process for a dump. */
  function turnWithoutQuestion(app: App, pid: number): Turn | undefined {
    const current = turns.current(app);
    if (current?.taker.pid !== pid) return undefined;
    return [...open.values()].some(({ turn }) => turn === current) ? undefined : current;
  }

  /** Gathers the questions of a trigger, which has its place in the queue from its first question on. */
  function gather(app: App, first: Question): void {
    gathering.set(app, [first]);
    const gathered = new Promise<void>((resolve) => {
      setTimeout(resolve, GATHER_MS).unref();
    }).then(() => choose(app, turn));
    const turn = turns.enter(app, first.member.process, () => {
      void gathered.then((question) => question && begin(question));
    });
  }

  function choose(app: App, turn: Turn): Question | undefined {
    const [largest, ...others] = byLargestHeap(gathering.get(app) ?? [], ({ ask }) => ask.heapUsed);
    gathering.delete(app);
    if (!largest) {
      turn.leave();
      return undefined;
    }
    turn.passTo(largest.member.process);
    open.set(largest.ask.id, { question: largest, turn });
    for (const other of others) answer(other, { is: 'skip', reason: whyNot(largest, other) });
    // An instance with a blocked event loop asks late, but for the same trigger.
    if (others.length > 0) chosen.set(app, { question: largest, untilMs: Date.now() + STRAGGLER_MS });
    return largest;
  }

  async function begin(question: Question): Promise<void> {
    const trouble = await addExtra(question).then(
      () => undefined,
      (error: Error) => error.message,
    );
    inOrder(() => grant(question, trouble));
  }

  /** Starts an extra instance if the dump wants one (`scale`) and needs it. @throws why there is none */
  async function addExtra(question: Question): Promise<void> {
    const { member, ask } = question;
    if (ask.params.scale !== true || extraInstances.whyNot(member) !== undefined) return;
    if (!saysItServes(member)) await askState(member);
    // A process without clients needs no extra instance.
    if (!saysItServes(member)) return;
    await grants.learnStates(member);
    if (!grants.othersFor(member).isLast) return;
    const reason = 'a sibling is started for the time of the dump';
    answer(question, { is: 'wait', ms: SERVES_WITHIN_MS + MARGIN_MS, reason });
    const extra = await extraInstances.start(member);
    if (open.has(ask.id)) extras.set(ask.id, extra);
    else void extraInstances.end(extra);
  }

  /** Grants the dump: with a drain if other instances serve, else in place, with the reason. */
  async function grant(question: Question, trouble: string | undefined): Promise<void> {
    const { member, ask } = question;
    await grants.learnStates(member);
    const isGone = !open.has(ask.id);
    if (isGone) return;
    const others = grants.othersFor(member);
    if (!others.isLast) {
      const { alone } = others;
      grants.begins(ask);
      answer(question, {
        is: 'go',
        drain: { may: true },
        ...(alone.length > 0 ? { alone: alone.map(({ at }) => at) } : {}),
      });
      return;
    }
    const reasons = [whyInPlace(member, others), trouble && `and a sibling could not be started: ${trouble}`];
    answer(question, { is: 'go', drain: { may: false, reason: reasons.filter(Boolean).join(', ') } });
  }

  function whyInPlace(member: Member, { serving, alone }: Others): string {
    const name = titleOf(member.process);
    const instances = fleet.siblingsOf(member).length + 1;
    if (serving.length > 0) return `no other instance of ${name} listens on ${list(alone)} (${elsewhere(serving)})`;
    if (instances > 1) return `${name} has ${instances} instances and no other one serves now`;
    const whyNot = extraInstances.whyNot(member);
    if (whyNot !== undefined) return `${name} has one instance, which runs in fork mode (${whyNot})`;
    return `${name} has one instance (scale=true adds one for the time of the dump)`;
  }

  function finish(isMeant: (ask: { id: string; pid: number }) => boolean): void {
    for (const [app, questions] of gathering) {
      gathering.set(
        app,
        questions.filter(({ ask }) => !isMeant(ask)),
      );
    }
    for (const [id, { question, turn }] of open) {
      if (!isMeant(question.ask)) continue;
      open.delete(id);
      const extra = extras.get(id);
      extras.delete(id);
      if (extra !== undefined) void extraInstances.end(extra);
      turn.leave();
    }
  }
}

function whyNot(largest: Question, { member }: Question): string {
  const mb = Math.round(largest.ask.heapUsed / 2 ** 20);
  return (
    `instance ${largest.member.process.pmId} dumps, it has the largest heap (${mb} MB); ` +
    `for this one: pm2 trigger ${member.process.pmId} heapdump; for all, one after the other: ${shellLine('pm2', 'trigger', member.process.name, 'heapdump', 'all=true')}`
  );
}
