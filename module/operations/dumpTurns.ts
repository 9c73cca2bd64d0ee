// Whose turn is it to dump its heap? One instance of an app at a time. A trigger by name goes to every instance at once: then
// the one with the largest heap dumps, and the others are told how to ask for theirs.
import type { Grant } from '../../contract/agentMessages.ts';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import { shellLine } from '../../shared/text/shell.ts';
import { list } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { type DrainGrants, elsewhere, type Others, type Question, refusal } from './drainGrants.ts';
import { type ExtraInstances, SERVES_WITHIN_MS } from './extraInstance.ts';

/**
 * How long a dump waits for the other instances to ask, too. PM2 sends a trigger by name to all within a few milliseconds; it
 * does not say whether it was by name or by id.
 */
const GATHER_MS = 200;

/** For how long an instance that asks late is taken to answer the same trigger by name. */
const STRAGGLER_MS = 5_000;

/** How long the decision may take once an extra instance serves. */
const MARGIN_MS = 10_000;

/** How long an instance waits for its turn. */
const TURN_MS = 10 * 60_000;

/** The dumps of one app. */
interface AppDumps {
  gathering: Question[];
  /** In the order of their turns. */
  queue: Question[];
  running: Question | undefined;
  /** The instance chosen for a trigger by name, and until when one that asks late is told of it. */
  chosen: { question: Question; untilMs: number } | undefined;
}

/** Decides over dumps. */
export interface DumpTurns {
  /** An agent asks for a dump; it is told to wait, and gets its grant when its turn has come. */
  ask(question: Question): void;
  /** These dumps are over, or their agents gave up waiting. */
  finish(isMeant: (ask: { id: string; pid: number }) => boolean): void;
  /** Which instance of this app dumps its heap now, or is about to. */
  dumping(app: App): PmId | undefined;
  /** Questions of that process which wait or run. */
  questionsOf(pid: number): number;
}

/** What dumps need of the module. */
export interface DumpTurnParts {
  fleet: Fleet;
  grants: DrainGrants;
  answer(pmId: PmId, askId: string, grant: Grant): void;
  extraInstances: Pick<ExtraInstances, 'start' | 'end'>;
  askState(member: Member): Promise<void>;
  /** Does a reload of this app run? */
  reloading(app: App): boolean;
  /** Runs a decision when those before it are made: each depends on the one before. */
  inOrder(decide: () => Promise<void>): void;
}

/** No dump runs yet. */
export function createDumpTurns(parts: DumpTurnParts): DumpTurns {
  const { fleet, grants, extraInstances, askState, reloading, inOrder } = parts;
  const dumps = new Map<App, AppDumps>();
  /** By the question of the dump that it was started for. */
  const extras = new Map<string, PmId>();
  const answer = ({ member, ask }: Question, grant: Grant) => parts.answer(member.process.pmId, ask.id, grant);
  return {
    ask,
    finish,
    dumping(app) {
      const { running, queue = [], gathering = [] } = dumps.get(app) ?? {};
      return (running ?? queue[0] ?? gathering[0])?.member.process.pmId;
    },
    questionsOf(pid) {
      const open = [...dumps.values()].flatMap(({ gathering, queue, running }) => [...gathering, ...queue, running]);
      return open.filter((question) => question?.ask.pid === pid).length;
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
    const own = dumps.get(app) ?? { gathering: [], queue: [], running: undefined, chosen: undefined };
    dumps.set(app, own);
    const wait = (reason: string) => answer(question, { is: 'wait', ms: TURN_MS, reason });
    if (ask.addressed === 'id' || ask.params.all === true) {
      wait('one dump of an app at a time');
      own.queue.push(question);
      next(own);
    } else if (own.chosen && Date.now() < own.chosen.untilMs) {
      answer(question, { is: 'skip', reason: whyNot(own.chosen.question, question) });
    } else {
      wait('the other instances may have been asked as well');
      if (own.gathering.length === 0) setTimeout(() => choose(own), GATHER_MS).unref();
      own.gathering.push(question);
    }
  }

  function choose(own: AppDumps): void {
    const [largest, ...others] = own.gathering.sort((a, b) => b.ask.heapUsed - a.ask.heapUsed);
    own.gathering = [];
    if (!largest) return;
    own.queue.push(largest);
    for (const other of others) answer(other, { is: 'skip', reason: whyNot(largest, other) });
    // An instance whose event loop is blocked asks when it is free again; it was the same trigger.
    if (others.length > 0) own.chosen = { question: largest, untilMs: Date.now() + STRAGGLER_MS };
    next(own);
  }

  function next(own: AppDumps): void {
    if (own.running) return;
    const question = own.queue.shift();
    own.running = question;
    if (question) void begin(own, question);
  }

  async function begin(own: AppDumps, question: Question): Promise<void> {
    const trouble = await addExtra(own, question).then(
      () => undefined,
      (error: Error) => error.message,
    );
    inOrder(() => grant(own, question, trouble));
  }

  /** Starts an extra instance where the dump is asked for one and needs it. @throws why there is none */
  async function addExtra(own: AppDumps, question: Question): Promise<void> {
    const { member, ask } = question;
    if (ask.params.scale !== true || member.process.mode === 'fork') return;
    if (member.state !== 'serving') await askState(member);
    // A process that serves nobody needs no other one meanwhile.
    if (member.state !== 'serving') return;
    await grants.learnStates(member);
    if (!grants.othersFor(member).isLast) return;
    const reason = 'a sibling is started for the time of the dump';
    answer(question, { is: 'wait', ms: SERVES_WITHIN_MS + MARGIN_MS, reason });
    const extra = await extraInstances.start(member);
    if (own.running?.ask.id === ask.id) extras.set(ask.id, extra);
    else void extraInstances.end(extra);
  }

  /** Where other instances serve, it is drained for the dump; else it dumps in place and is told why. */
  async function grant(own: AppDumps, question: Question, trouble: string | undefined): Promise<void> {
    const { member, ask } = question;
    await grants.learnStates(member);
    const isGone = own.running !== question;
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
    const { mode } = member.process;
    const name = titleOf(member.process);
    const instances = fleet.siblingsOf(member).length + 1;
    if (serving.length > 0) return `no other instance of ${name} listens on ${list(alone)} (${elsewhere(serving)})`;
    if (instances > 1) return `${name} has ${instances} instances and no other one serves now`;
    if (mode === 'fork') return `${name} has one instance, which runs in fork mode`;
    return `${name} has one instance (scale=true adds one for the time of the dump)`;
  }

  function finish(isMeant: (ask: { id: string; pid: number }) => boolean): void {
    for (const own of dumps.values()) {
      own.gathering = own.gathering.filter(({ ask }) => !isMeant(ask));
      own.queue = own.queue.filter(({ ask }) => !isMeant(ask));
      if (own.running && isMeant(own.running.ask)) {
        const extra = extras.get(own.running.ask.id);
        extras.delete(own.running.ask.id);
        own.running = undefined;
        if (extra !== undefined) void extraInstances.end(extra);
      }
      next(own);
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
