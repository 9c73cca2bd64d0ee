// Reloads an app so that a bad deploy never replaces a good worker: one canary of the new code beside the old instances,
// and only when that is proven the others, one at a time, each drained before PM2 touches it.
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, appOf, type OfApp, titleOf } from '../../../contract/app.ts';
import type { ReloadProgress, ReloadRefused, ReloadReply, Replaced } from '../../../contract/commandMessages.ts';
import { type Failure, type ListenAddress, NAME, type Reply } from '../../../contract/protocol.ts';
import { shellLine } from '../../../shared/text/shell.ts';
import type { AgentCalls } from '../../agents/agentCalls.ts';
import { coverOf, list, reaches, shareable } from '../../fleet/cover.ts';
import type { Fleet, Member } from '../../fleet/fleet.ts';
import { createReadiness, type Instance, type Readiness } from '../../fleet/readiness.ts';
import { type MeantApp, oneApp } from '../../fleet/target.ts';
import type { Daemon, PmId } from '../../pm2/daemon.ts';
import { findUnlisted, isAlive } from '../../pm2/unlisted.ts';
import { putRight } from './interruptedReload.ts';
import { LastWords } from './lastLines.ts';
import { ReloadFailure } from './reloadFailure.ts';
import type { ReloadJournal, UnfinishedReload } from './reloadJournal.ts';
import type { ReloadParams } from './reloadParams.ts';

/** Pause between two looks, in milliseconds. */
const LOOK_EVERY_MS = 150;
/** For how long the canary serves the clients of the first old instance before that goes for good, in milliseconds. */
const SERVES_FOR_MS = 1_000;
/** What an agent may need on top of a drain's own budget, in milliseconds. */
const MARGIN_MS = 6_000;
/** How long an agent may take for what is done at once, in milliseconds. */
const AT_ONCE_MS = 5_000;
/** The longest time that a timer of Node takes, in milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1 - 60_000;
/** How long another reload of PM2 may take to finish before ours refuses, in milliseconds. */
const OTHERS_END_WITHIN_MS = 5_000;
/** How often a drain is asked for while the coordinator says that nobody else serves yet, and the pause, in milliseconds. */
const DRAIN_TRIES = 6;
const DRAIN_PAUSE_MS = 500;
/** For how long a drain is asked for again that a saturated app was too slow to begin, in milliseconds. */
const DRAIN_BEGINS_WITHIN_MS = 15_000;

/** What to reload, and how somebody asked for it: hints name the same way. */
export type ReloadRequest = ReloadParams & { by: 'command' | 'trigger' };

export interface RollingReload {
  /** Settles in any case, and never later than the deadline that its first progress line tells. */
  reload(request: ReloadRequest, tell: (progress: ReloadProgress) => void): Promise<ReloadReply | ReloadRefused>;
  /** Does one of this app run, or is one being put right? */
  runs(app: App): boolean;
  /** Puts right what a module left behind that was killed in the middle of a reload. */
  recover(): Promise<void>;
  /** Ends what runs: canaries go, drained instances serve again. */
  close(): Promise<void>;
}

export interface ReloadParts {
  fleet: Fleet;
  daemon: Daemon;
  calls: AgentCalls;
  journal: ReloadJournal;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  askState(member: Member): Promise<void>;
  /** Which instance of this app dumps its heap now. */
  dumping(app: App): PmId | undefined;
  log(line: string): void;
}

export function createRollingReload(parts: ReloadParts): RollingReload {
  const running = new Map<App, { roll: Roll; done: Promise<unknown>; sinceMs: number }>();
  /** Apps of which a reload was interrupted by the end of a module, until that is put right. */
  const interrupted = new Set<App>();
  /** By pm_id, in milliseconds of performance.now(). */
  const ready = new Map<PmId, number>();
  parts.daemon.onReady((pmId) => ready.set(pmId, performance.now()));
  parts.daemon.onProcessEvent((event, pmId) => {
    for (const { roll } of running.values()) roll.noticed(event, pmId);
  });

  for (const type of ['log:out', 'log:err']) {
    parts.daemon.onBusEvent(type, (pmId, text) => {
      for (const { roll } of running.values()) roll.heard(pmId, text);
    });
  }

  return {
    async reload(params, tell) {
      await parts.refresh();
      const meant = oneApp(parts.fleet, params.app, 'reload');
      if (!('title' in meant)) return LIKE_A_FILE.test(params.app) ? noFile(params, meant) : meant;
      const { app, title } = meant;
      const members = instancesOf(parts.fleet, app);
      const busy = running.get(app);
      if (busy) {
        const seconds = Math.round((performance.now() - busy.sinceMs) / 1000);
        return refused('E_BUSY', `a reload of ${title} has been running for ${seconds} s`, 'wait for its end');
      }
      if (interrupted.has(app)) {
        return refused('E_BUSY', `an interrupted reload of ${title} is being put right`, 'try again in a few seconds');
      }
      const dumping = parts.dumping(app);
      if (dumping !== undefined) {
        const message = `instance ${dumping} of ${title} writes a heap dump, which a reload would end in the middle`;
        return refused('E_BUSY', message, 'wait for its end (seconds to minutes), then reload again');
      }
      const roll = new Roll(parts, meant, params, members, tell, (pmId) => ready.get(pmId));
      const done = roll.run();
      running.set(app, { roll, done, sinceMs: performance.now() });
      done.finally(() => running.delete(app)).catch(() => {});
      return await inTime(done, roll);
    },
    runs: (app) => running.has(app) || interrupted.has(app),
    async recover() {
      const { journal, log } = parts;
      const unfinished = journal.read();
      for (const reload of unfinished) interrupted.add(appOf(reload));
      for (const reload of unfinished) {
        await putRight(reload, parts).catch((error: Error) => log(`reload ${titleOf(reload)}: ${error.message}`));
        journal.clear(appOf(reload));
        interrupted.delete(appOf(reload));
      }
    },
    async close() {
      for (const { roll } of running.values()) roll.abort('the module is going down');
      await Promise.allSettled([...running.values()].map(({ done }) => done));
    },
  };
}

/** Whatever happens inside, the caller gets an answer. */
async function inTime(done: Promise<ReloadReply | ReloadRefused>, roll: Roll): Promise<ReloadReply | ReloadRefused> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Failure>((resolve) => {
    timer = setTimeout(() => {
      roll.abort('it took longer than its deadline');
      const message = `the reload did not finish within ${roll.deadlineMs} ms; it is being undone`;
      resolve(refused('E_TIMEOUT', message, 'look with: pm2-ops status'));
    }, roll.deadlineMs);
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One reload of one app. */
class Roll {
  readonly deadlineMs: number;
  readonly #startedMs = performance.now();
  #journaledMs: number | undefined;
  readonly #app: App;
  readonly #title: string;
  readonly #byId: boolean;
  /** In PM2's words. */
  readonly #of: OfApp;
  readonly #readiness: Readiness;
  readonly #lastWords = new LastWords();
  /** The instances as they were. */
  readonly #old: Instance[];
  /** Do they listen? Then so must the new ones. */
  #serves: boolean;
  /** Where each of the instances listened; nothing is known of one without an agent. */
  readonly #addresses = new Map<PmId, ListenAddress[]>();
  /** Those of its addresses that another process can listen on beside it. */
  readonly #shareable = new Map<PmId, ListenAddress[]>();
  readonly #replaced: Replaced[] = [];
  /** The canary, and those that were replaced. */
  readonly #successors: Instance[] = [];
  readonly #notes: string[] = [];
  /** Drained by us and not yet replaced. */
  readonly #drained = new Set<PmId>();
  /** Those that we have PM2 reload itself: `_old_` ids of theirs are ours. */
  readonly #reloadedByPm2 = new Set<PmId>();
  #withoutKeepAlive: PmId[] = [];
  #canary: Instance | undefined;
  /** The instance that it was made after. */
  #canaryFor: PmId | undefined;
  #aborted: string | undefined;
  #overlap: string | undefined;

  constructor(
    private readonly parts: ReloadParts,
    { app, title, byId }: MeantApp,
    private readonly params: ReloadRequest,
    members: Member[],
    private readonly tell: (progress: ReloadProgress) => void,
    readyAt: (pmId: PmId) => number | undefined,
  ) {
    this.#app = app;
    this.#title = title;
    this.#byId = byId;
    const { namespace = '', name = '' } = members[0]?.process ?? {};
    this.#of = { namespace, name };
    this.#old = members.map(({ process: { pmId, pid, restarts } }) => ({ pmId, pid, restarts, startedMs: 0 }));
    this.#serves = members.some(listens);
    this.#readiness = createReadiness({
      ...parts,
      readyAt,
      checkpoint: () => this.#checkpoint(),
      forced: () => this.#again('force'),
    });
    const killTimeoutMs = Math.max(...members.map(({ process }) => process.killTimeoutMs));
    const oneMs = DRAIN_BEGINS_WITHIN_MS + params.drain + MARGIN_MS + killTimeoutMs + params.timeout;
    const allMs = OTHERS_END_WITHIN_MS + params.settle + params.patient + (2 * members.length + 2) * oneMs;
    this.deadlineMs = Math.min(allMs, LONGEST_TIMER_MS);
  }

  async run(): Promise<ReloadReply | ReloadRefused> {
    try {
      return await this.#all();
    } finally {
      this.parts.journal.clear(this.#app);
    }
  }

  async #all(): Promise<ReloadReply | ReloadRefused> {
    try {
      this.#progress('begin', `${this.#old.length} instance(s) of ${this.#title}`, { deadlineMs: this.deadlineMs });
      if (this.#byId) {
        const all = this.#old.length;
        this.#note(`id ${this.params.app} is an instance of ${this.#title}: all ${all} of them are reloaded`);
      }
      await this.#othersAreDone();
      await this.#learnAddresses();
      const gap = this.#whyGap();
      if (gap !== undefined && !this.params.force) throw gap;
      this.#journal();
      if (gap !== undefined) await this.#restartInPlace();
      else await this.#roll();
      return {
        ok: true,
        action: 'reload',
        app: this.#title,
        instances: this.#old.length,
        replaced: this.#replaced,
        notes: this.#notes,
        ms: Math.round(performance.now() - this.#startedMs),
      };
    } catch (error) {
      return await this.#undo(error);
    }
  }

  abort(reason: string): void {
    this.#aborted ??= reason;
  }

  /** Something that a process wrote. */
  heard(pmId: PmId, text: unknown): void {
    this.#lastWords.heard(pmId, text);
  }

  /** Something happened to a process. An `_old_` id that is not of our doing: somebody else reloads the app, too. */
  noticed(event: string, pmId: PmId): void {
    if (event === 'exit') this.#lastWords.ended(pmId);
    const id = Number(/^_old_(\d+)$/.exec(String(pmId))?.[1] ?? Number.NaN);
    const ours = this.#canary?.pmId === id || this.#old.some((each) => each.pmId === id);
    if (ours && !this.#reloadedByPm2.has(id)) this.#overlap ??= `instance ${id} was reloaded`;
  }

  /** For the next module, should this one be killed. */
  #journal(): void {
    this.#journaledMs ??= Date.now();
    const entry: UnfinishedReload = {
      ...this.#of,
      sinceMs: this.#journaledMs,
      old: this.#old.map(({ pmId, pid }) => ({ pmId, pid })),
      patient: this.params.patient > 0,
      at: [...this.#shareable.values()].flat().map(({ at }) => at),
      ...(this.#canary ? { canary: this.#canary.pmId } : {}),
    };
    try {
      this.parts.journal.write(entry);
    } catch (error) {
      this.#note(
        `not in the journal (${(error as Error).message}): if pm2-ops is killed now, look after the canary yourself`,
      );
    }
  }

  /** Where they listen now: the new ones have to listen there, too. */
  async #learnAddresses(): Promise<void> {
    const { fleet, askState } = this.parts;
    const members = instancesOf(fleet, this.#app).filter(({ process }) => process.status === 'online');
    await Promise.all(members.filter(({ attachment }) => attachment.is === 'attached').map(askState));
    this.#serves ||= members.some(listens);
    for (const member of members.filter(listens)) {
      const { pmId } = member.process;
      const others = members.filter((other) => other !== member && listens(other));
      if (member.addresses) this.#addresses.set(pmId, member.addresses);
      this.#shareable.set(pmId, shareable(member, others));
    }
  }

  /** Where a second instance cannot take the clients of one that is replaced. */
  #whyGap(): ReloadFailure | undefined {
    const members = instancesOf(this.parts.fleet, this.#app).filter(({ process }) => process.status === 'online');
    const isFork = members.some(({ process }) => process.mode === 'fork');
    const accept = `accept a gap: ${this.#again('force')}`;
    for (const { process } of members) {
      const addresses = this.#addresses.get(process.pmId) ?? [];
      if (addresses.length === 0 || (this.#shareable.get(process.pmId) ?? []).length > 0) continue;
      return new ReloadFailure(
        'E_STATE',
        `instance ${process.pmId} of ${this.#title} ${isFork ? 'runs in fork mode and ' : ''}holds ${list(addresses)} by itself, and no other instance listens there: clients would be refused while it restarts`,
        isFork
          ? `run it in cluster mode (exec_mode: "cluster" in its configuration), or ${accept}`
          : `let it listen without "exclusive", or ${accept}`,
      );
    }
    const known = members.filter(({ process }) => this.#addresses.has(process.pmId));
    if (!isFork || known.length === members.length) return undefined;
    if (this.#serves || members.some(({ attachment }) => attachment.is !== 'attached')) {
      return new ReloadFailure(
        'E_STATE',
        `${this.#title} runs in fork mode, and where it listens is not known: clients may be refused while it restarts`,
        `look at: pm2-ops status; run it in cluster mode, or ${accept}`,
      );
    }
    if (members.length > 1) return undefined;
    return new ReloadFailure(
      'E_STATE',
      `${this.#title} runs in fork mode, is a single process and listens on nothing: a second one beside it might do its work twice`,
      `restart it in place, where a bad deploy is not held back: ${this.#again('force')}; or run it in cluster mode`,
    );
  }

  /** The line to type for the same again. */
  #again(...flags: string[]): string {
    const { params } = this;
    return params.by === 'command'
      ? shellLine(NAME, 'reload', this.#title, ...flags.map((flag) => `--${flag}`))
      : shellLine(
          'pm2',
          'trigger',
          NAME,
          'reload',
          [`app=${this.#title}`, ...flags.map((flag) => `${flag}=true`)].join(' '),
        );
  }

  /** A canary, and only when it is proven the others. */
  async #roll(): Promise<void> {
    const canary = await this.#startCanary(this.#modelOf());
    await this.#prove(canary);
    this.#successors.push(canary);
    await this.#takeKeepAlive();
    for (const old of this.#old) {
      this.#checkpoint();
      await this.parts.refresh();
      this.#allAreUp();
      if (await this.#isNewAlready(old)) continue;
      await this.#replace(old);
    }
    await this.parts.refresh();
    this.#allAreUp();
    await this.#serveAsBefore();
    this.#progress('finish', `all ${this.#old.length} replaced; the canary (id ${this.#canary?.pmId}) goes`);
    await this.#removeCanary();
    await this.#nothingIsLeft();
  }

  /** Those that run the new code. */
  #allAreUp(): void {
    for (const instance of this.#successors) this.#readiness.requireUp(instance);
  }

  /** After which the first canary is made. */
  #modelOf(): Member {
    const online = instancesOf(this.parts.fleet, this.#app).filter(({ process }) => process.status === 'online');
    const model = online.find(({ process }) => this.#addresses.has(process.pmId)) ?? online[0];
    if (model) return model;
    throw new ReloadFailure(
      'E_STATE',
      `no instance of ${this.#title} is online, so there is nothing to protect`,
      `start it: ${shellLine('pm2', 'restart', this.#of.name)}`,
    );
  }

  /**
   * Where the port follows from the number, only one of the same number can stand in, as in a reload of PM2. Where all listen
   * on the same, it has the next number, so that no work which is that of one number is done twice.
   */
  #numberOf(model: Member): 'same' | 'next' {
    const { pmId } = model.process;
    const mine = this.#addresses.get(pmId) ?? [];
    const shared = mine.filter(({ own }) => !own);
    if (this.#old.length === 1) return shared.length > 0 && shared.length === mine.length ? 'same' : 'next';
    const where = [...this.#addresses.values()].map((addresses) => list(addresses.filter(({ own }) => !own)));
    return new Set(where).size > 1 ? 'same' : 'next';
  }

  async #startCanary(model: Member, number = this.#numberOf(model)): Promise<Instance> {
    const known = new Set(instancesOf(this.parts.fleet, this.#app).map(({ process }) => process.pmId));
    this.#canaryFor = model.process.pmId;
    const startedMs = performance.now();
    let refusal: Error | undefined;
    this.parts.daemon.startAnother(model.process.pmId, this.params.env, number).catch((error: Error) => {
      refusal = error;
    });
    for (;;) {
      await this.parts.refresh();
      const found = instancesOf(this.parts.fleet, this.#app).find(({ process }) => !known.has(process.pmId));
      if (found) {
        const { pmId } = found.process;
        this.#canary = { pmId, pid: 0, restarts: 0, startedMs };
        this.#journal();
        this.#progress('canary', `started as id ${pmId}, with the new code`);
        return this.#canary;
      }
      if (refusal)
        throw new ReloadFailure('E_STATE', `PM2 did not start a canary: ${refusal.message}`, 'see: pm2 logs');
      if (performance.now() - startedMs > this.params.timeout) {
        throw new ReloadFailure('E_TIMEOUT', 'PM2 started no canary', 'look at: ~/.pm2/pm2.log');
      }
      // No checkpoint: one that starts and is not known would be left behind.
      await sleep(LOOK_EVERY_MS);
    }
  }

  /**
   * Ready, well, and still up after a while. For that while it is drained: one that dies in it takes no client's request
   * with it.
   */
  async #prove(canary: Instance): Promise<void> {
    const { health, settle, timeout } = this.params;
    const endsMs = canary.startedMs + timeout;
    const at = this.#requiredOfCanary();
    const { attachment } = await this.#readiness.untilReady(canary, { serves: this.#serves, at, endsMs });
    const where = at.length > 0 ? ` on ${at.join(', ')}` : '';
    this.#progress('canary', `ready after ${Math.round(performance.now() - canary.startedMs)} ms${where}`);
    if (attachment.is === 'skipped') {
      const by = at.length > 0 ? 'that connections come to it' : "PM2's word";
      this.#note(`the canary has no agent (${attachment.reason}): judged by ${by} and by staying up`);
    }
    if (health !== undefined) {
      await this.#readiness.untilHealthy(canary, health, this.#old.length + 1, endsMs);
      this.#progress('canary', `${health} is healthy`);
    }
    const settledMs = performance.now() + settle;
    let drains = false;
    while (performance.now() < settledMs) {
      const member = this.#readiness.requireUp(canary);
      if (!drains && this.#serves && member.attachment.is === 'attached') {
        drains = true;
        // With all the time that idle clients may need: `resume` ends it when the while is over.
        void this.#drain(canary.pmId, 1);
      }
      this.#checkpoint();
      await sleep(LOOK_EVERY_MS);
      await this.parts.refresh();
    }
    this.#readiness.requireUp(canary);
    if (drains) await this.#resume(canary.pmId);
    await this.parts.refresh();
    this.#readiness.requireUp(canary);
    // It may have closed its server meanwhile, or cannot listen again.
    await this.#readiness.untilReady(canary, { serves: this.#serves, at, endsMs: performance.now() + AT_ONCE_MS });
    this.#progress('canary', `still up after ${settle} ms`);
  }

  /** Has PM2 or somebody else started it again meanwhile? Then it runs the new code: it only has to come up. */
  async #isNewAlready(old: Instance): Promise<boolean> {
    const now = this.parts.fleet.get(old.pmId)?.process;
    if (now && now.pid === old.pid) return false;
    if (!now) {
      this.#note(`id ${old.pmId} is gone: somebody deleted it`);
      return true;
    }
    if (old.pid !== 0 && isAlive(old.pid)) {
      this.#overlap ??= `instance ${old.pmId} was reloaded (pid ${old.pid} → ${now.pid})`;
      this.#checkpoint();
    }
    this.#note(`id ${old.pmId} was started again meanwhile (pid ${old.pid} → ${now.pid}), so it runs the new code`);
    const instance = { pmId: old.pmId, pid: now.pid, restarts: now.restarts, startedMs: this.#startedMs };
    await this.#readiness.untilReady(instance, {
      serves: this.#serves,
      at: this.#requiredOf(old.pmId),
      endsMs: performance.now() + this.params.timeout,
    });
    return true;
  }

  /** Drained first, so that it does not matter how the app takes PM2's SIGINT; then started again under its id. */
  async #replace(old: Instance): Promise<void> {
    const { pmId } = old;
    const wasOnline = this.parts.fleet.get(pmId)?.process.status === 'online';
    if (wasOnline) await this.#haveCovered(pmId);
    const drain = wasOnline ? await this.#takeOut(pmId) : undefined;
    if (drain?.ok) {
      this.#drained.add(pmId);
      await this.#watchWithClients();
      await this.#refusedTheRest(pmId);
    }
    this.#checkpoint();
    const startedMs = performance.now();
    const drained = drain === undefined || drain.ok || drain.code === 'E_NO_SERVER';
    if (!drained) {
      this.#requireOthers(pmId, drain);
      this.#note(`id ${pmId} could not be drained (${drain.message}): left to PM2's own reload`);
      this.#reloadedByPm2.add(pmId);
    }
    this.#drained.delete(pmId);
    this.#lastWords.forget(pmId);
    let refusal: Error | undefined;
    const { daemon } = this.parts;
    (drained ? daemon.restart(pmId, this.params.env) : daemon.reload(pmId, this.params.env)).catch((error: Error) => {
      refusal = error;
    });
    const formerPid = old.pid > 0 ? { formerPid: old.pid } : {};
    const successor = { pmId, pid: 0, ...formerPid, restarts: old.restarts + (wasOnline ? 1 : 0), startedMs };
    const member = await this.#readiness
      .untilReady(successor, {
        serves: this.#serves,
        at: this.#requiredOf(pmId),
        endsMs: startedMs + this.params.timeout,
      })
      .catch(async (error: unknown) => {
        if (refusal && error instanceof ReloadFailure) error.message += ` (PM2: ${refusal.message})`;
        await this.#standIn(pmId, error);
        throw error;
      });
    const { pid } = member.process;
    this.#successors.push(successor);
    this.#replaced.push({ id: pmId, from: old.pid, to: pid, drained: drain?.ok === true });
    const requests = drain?.ok ? `, ${drain.finished} finished, ${drain.cut} cut` : '';
    this.#progress('replaced', `id ${pmId}: pid ${old.pid} → ${pid}${requests}`);
  }

  /** Where the successor of that instance has to listen. A port that the system chose is nobody's to expect. */
  #requiredOf(pmId: PmId): string[] {
    if (this.params.force) return [];
    return (this.#addresses.get(pmId) ?? []).filter(({ anyPort }) => !anyPort).map(({ at }) => at);
  }

  /** Where the canary has to listen, so that it can stand in for the instance that it is made after. */
  #requiredOfCanary(): string[] {
    if (this.params.force) return [];
    const shared = this.#shareable.get(this.#canaryFor ?? '') ?? [];
    return shared.filter(({ anyPort }) => !anyPort).map(({ at }) => at);
  }

  /** Addresses of an instance, of those that can be shared, at which nobody else listens now. */
  #aloneAt(pmId: PmId): ListenAddress[] {
    const { fleet } = this.parts;
    const member = fleet.get(pmId);
    if (!member) return [];
    const serving = fleet.siblingsOf(member).filter(({ process, state, attachment }) => {
      const isThere = process.status === 'online' && typeof process.pmId === 'number';
      return isThere && (state === 'serving' || (state === 'unknown' && attachment.is === 'skipped'));
    });
    const model = pmId === this.#canary?.pmId ? (this.#canaryFor ?? pmId) : pmId;
    return coverOf({ ...member, addresses: this.#shareable.get(model) ?? [] }, serving).alone;
  }

  /** Where neither the others nor the canary listen: then one of its own number has to stand in for it. */
  async #haveCovered(pmId: PmId): Promise<void> {
    const member = this.parts.fleet.get(pmId);
    if (!member || !this.#canary || this.#canaryFor === pmId) return;
    const alone = this.#aloneAt(pmId);
    if (alone.length === 0) return;
    this.#progress('canary', `id ${pmId} alone listens on ${list(alone)}: one of its number is started beside it`);
    const former = this.#canary;
    this.#successors.splice(this.#successors.indexOf(former), 1);
    await this.#removeCanary();
    if (this.#canary !== undefined) throw this.#stays(former.pmId);
    const canary = await this.#startCanary(member, 'same');
    const at = this.#requiredOfCanary();
    const endsMs = canary.startedMs + this.params.timeout;
    await this.#readiness.untilReady(canary, { serves: this.#serves, at, endsMs });
    this.#successors.push(canary);
  }

  /** Never the last that serves: what cannot be drained is handed to PM2 only while others take its connections. */
  #requireOthers(pmId: PmId, drain: Reply): void {
    if (this.params.force) return;
    const alone = this.#aloneAt(pmId);
    if (alone.length === 0 && (drain.ok || drain.code !== 'E_LAST')) return;
    const why = drain.ok || drain.code === 'E_LAST' ? '' : ` (it could not be drained: ${drain.message})`;
    throw new ReloadFailure(
      'E_LAST',
      `nobody else listens on ${list(alone.length > 0 ? alone : (this.#addresses.get(pmId) ?? []))}: instance ${pmId} is left as it is${why}`,
      `look with: pm2-ops status; to go on all the same: ${this.#again('force')}`,
    );
  }

  /** Every address that was served before has to be served now. */
  async #serveAsBefore(): Promise<void> {
    for (const { pmId } of this.#old) {
      const member = this.parts.fleet.get(pmId);
      const at = this.#requiredOf(pmId);
      if (!member || at.length === 0 || member.attachment.is !== 'attached') continue;
      await this.parts.askState(member);
      const missing = at.filter((each) => !reaches(each, member.addresses ?? []));
      if (missing.length === 0 && member.state === 'serving') continue;
      throw new ReloadFailure(
        'E_STATE',
        `instance ${pmId} came up and does not listen on ${(missing.length > 0 ? missing : at).join(', ')} any more`,
        'look at its log lines, mend the code, then reload again',
      );
    }
  }

  /**
   * The clients of a drained instance come back to the new code, some of them for the first time: for a moment the old one
   * can still be resumed.
   */
  async #watchWithClients(): Promise<void> {
    const watchMs = this.#replaced.length === 0 ? Math.min(SERVES_FOR_MS, this.params.settle) : 0;
    const endsMs = performance.now() + watchMs;
    do {
      await this.parts.refresh();
      this.#allAreUp();
      this.#checkpoint();
      if (performance.now() < endsMs) await sleep(LOOK_EVERY_MS);
    } while (performance.now() < endsMs);
  }

  /**
   * A connection that PM2 handed over before it heard of the drain is given back when the drained instance reads of it; if
   * that one ended first, its client would wait for ever. The answer to a question comes after.
   */
  async #refusedTheRest(pmId: PmId): Promise<void> {
    const member = this.parts.fleet.get(pmId);
    if (member) await this.parts.askState(member);
  }

  /** The successor of one instance does not come up although the canary did: the canary stays in its place. */
  async #standIn(pmId: PmId, error: unknown): Promise<void> {
    const canary = this.#canary;
    if (!canary || !(error instanceof ReloadFailure) || this.#aborted || this.#overlap) return;
    await this.parts.refresh();
    error.logs = this.#lastWords.of(pmId, error.code === 'E_STATE');
    try {
      const { addresses = [], attachment } = this.#readiness.requireUp(canary);
      const at = (this.#shareable.get(pmId) ?? []).filter(({ anyPort }) => !anyPort);
      if (attachment.is === 'attached' && !at.every((each) => reaches(each.at, addresses))) return;
    } catch {
      return;
    }
    this.parts.journal.clear(this.#app);
    await this.#remove(pmId);
    this.#canary = undefined;
    this.#note(`id ${canary.pmId} (the canary, which came up) stays in the place of id ${pmId}`);
  }

  /** A client that has kept a connection open for longer than the server promised has no reason to use it again. */
  async #takeKeepAlive(): Promise<void> {
    const { patient } = this.params;
    if (patient === 0) return;
    this.#withoutKeepAlive = this.#old.map(({ pmId }) => pmId);
    await Promise.all(
      this.#withoutKeepAlive.map((pmId) => this.parts.calls.run(pmId, 'disable-keepalive', {}, AT_ONCE_MS)),
    );
    this.#progress('patient', `keep-alive is off for ${patient} ms before anything is drained`);
    const endsMs = performance.now() + patient;
    while (performance.now() < endsMs) {
      this.#checkpoint();
      await sleep(Math.min(LOOK_EVERY_MS, Math.max(1, endsMs - performance.now())));
    }
  }

  /** Where nobody can stand in: there is no canary, and clients are refused for a moment. */
  async #restartInPlace(): Promise<void> {
    for (const old of this.#old) {
      this.#checkpoint();
      await this.#replace(old);
    }
    await this.#nothingIsLeft();
  }

  /** Nothing of ours stays behind, and what was taken out of service serves again. */
  async #undo(error: unknown): Promise<ReloadRefused> {
    const failure =
      error instanceof ReloadFailure
        ? error
        : new ReloadFailure('E_INTERNAL', (error as Error).message, 'look at: pm2 logs pm2-ops');
    this.#progress('failed', failure.message);
    // Its last words may still be on their way.
    await sleep(LOOK_EVERY_MS);
    try {
      for (const pmId of this.#drained) await this.#resume(pmId);
      await Promise.all(
        this.#withoutKeepAlive.map((pmId) => this.parts.calls.run(pmId, 'enable-keepalive', {}, AT_ONCE_MS)),
      );
      if (this.#canary) {
        if (failure.logs.length === 0) failure.logs = this.#lastWords.of(this.#canary.pmId, failure.code === 'E_STATE');
        this.#progress('undo', `the canary (id ${this.#canary.pmId}) goes`);
        await this.#removeCanary();
      }
    } catch (trouble) {
      this.#note(`not all could be undone: ${(trouble as Error).message}`);
    }
    await this.parts.refresh();
    const serving = this.#old.filter(({ pmId, pid }) => this.parts.fleet.get(pmId)?.process.pid === pid).length;
    this.#note(
      `of ${this.#old.length} instance(s) ${serving} serve(s) on as before, ${this.#replaced.length} replaced`,
    );
    return {
      ...refused(failure.code, failure.message, failure.hint),
      app: this.#title,
      replaced: this.#replaced,
      notes: this.#notes,
      logs: failure.logs,
    };
  }

  async #removeCanary(): Promise<void> {
    const canary = this.#canary;
    if (!canary) return;
    const member = this.parts.fleet.get(canary.pmId);
    if (member?.attachment.is === 'attached') {
      const drain = await this.#drain(canary.pmId);
      if (!drain.ok && drain.code === 'E_LAST') {
        // Clients have it only once it is proven; what nobody expects to be served goes with it.
        const isNeeded = this.#successors.includes(canary) && this.#aloneAt(canary.pmId).length > 0;
        if (isNeeded && !this.params.force) {
          this.#note(this.#stays(canary.pmId).message);
          return;
        }
        await this.#drain(canary.pmId, 1, true);
      }
    }
    await this.#remove(canary.pmId);
    this.#canary = undefined;
  }

  #stays(pmId: PmId): ReloadFailure {
    const at = list(this.parts.fleet.get(pmId)?.addresses ?? []);
    const message = `the canary (id ${pmId}) stays: nobody else listens on ${at}`;
    return new ReloadFailure('E_LAST', message, `look with: pm2-ops status, then: pm2 delete ${pmId}`);
  }

  /** Off PM2's list, and its process ended. One that keeps crashing may need a second try. */
  async #remove(pmId: PmId): Promise<void> {
    for (let tries = 0; tries < 3; tries++) {
      const process = this.parts.fleet.get(pmId)?.process;
      if (!process) return;
      await this.parts.daemon.remove(pmId, process.killTimeoutMs).catch(() => {});
      await this.parts.refresh();
    }
    if (this.parts.fleet.get(pmId)) this.#note(`id ${pmId} could not be deleted; do it: pm2 delete ${pmId}`);
  }

  /** Drains one that is to be replaced; the last that serves only where somebody insists. */
  async #takeOut(pmId: PmId): Promise<Reply> {
    // Without a canary nobody is to be waited for.
    const drain = await this.#drain(pmId, this.#canary ? DRAIN_TRIES : 1);
    const isLast = !drain.ok && drain.code === 'E_LAST';
    return isLast && this.params.force ? this.#drain(pmId, DRAIN_TRIES, true) : drain;
  }

  async #drain(pmId: PmId, mostTries = DRAIN_TRIES, force = false): Promise<Reply> {
    const budgetMs = this.params.drain;
    const member = this.parts.fleet.get(pmId);
    if (member?.attachment.is !== 'attached') {
      const reason =
        member?.attachment.is === 'waiting' || member?.attachment.is === 'skipped'
          ? `: ${member.attachment.reason}`
          : '';
      return refused('E_STATE', `it has no agent${reason}`, 'look with: pm2-ops status');
    }
    const params = { timeout: budgetMs, force };
    const begunMs = performance.now();
    for (let tries = 1; ; tries++) {
      const reply = await Promise.race([
        this.parts.calls.run(pmId, 'drain', params, budgetMs + MARGIN_MS),
        whenGone(member.process.pid, budgetMs + MARGIN_MS),
      ]);
      // The others may just be attached or listen again; or a drain of it runs already; or it is too busy to hear us.
      const late = !reply.ok && reply.code === 'E_TIMEOUT' && performance.now() - begunMs < DRAIN_BEGINS_WITHIN_MS;
      const again = late || (!reply.ok && (reply.code === 'E_LAST' || reply.code === 'E_BUSY'));
      if (!again || tries >= mostTries) return reply;
      await sleep(DRAIN_PAUSE_MS);
    }
  }

  async #resume(pmId: PmId): Promise<void> {
    const reply = await this.parts.calls.run(pmId, 'resume', {}, AT_ONCE_MS * 2);
    this.#drained.delete(pmId);
    if (!reply.ok) this.#note(`id ${pmId} could not be resumed: ${reply.message}`);
  }

  /** A reload that PM2 itself has not finished yet, or has left half done. */
  async #othersAreDone(): Promise<void> {
    const left = await this.#untilNoneUnlisted(OTHERS_END_WITHIN_MS);
    if (left.length === 0) return;
    throw new ReloadFailure(
      'E_STATE',
      `pid ${left.join(', ')} belongs to ${this.#title} but PM2 does not list it: another reload runs, or has left it behind`,
      `wait for that reload; if there is none: kill ${left.join(' ')}`,
    );
  }

  async #nothingIsLeft(): Promise<void> {
    const killTimeoutMs = Math.max(
      0,
      ...this.#old.map(({ pmId }) => this.parts.fleet.get(pmId)?.process.killTimeoutMs ?? 0),
    );
    const left = await this.#untilNoneUnlisted(killTimeoutMs + OTHERS_END_WITHIN_MS);
    if (left.length > 0)
      this.#note(`pid ${left.join(', ')} still runs and PM2 does not list it; end it: kill ${left.join(' ')}`);
  }

  async #untilNoneUnlisted(withinMs: number): Promise<number[]> {
    const endsMs = performance.now() + withinMs;
    for (;;) {
      await this.parts.refresh();
      const listed = new Set(this.parts.fleet.members().map(({ process }) => process.pid));
      const left = findUnlisted(this.#app, listed);
      if (left.length === 0 || performance.now() > endsMs) return left;
      await sleep(LOOK_EVERY_MS);
    }
  }

  #checkpoint(): void {
    if (this.#aborted) throw new ReloadFailure('E_STATE', `the reload was given up: ${this.#aborted}`, 'reload again');
    if (!this.#overlap) return;
    throw new ReloadFailure(
      'E_STATE',
      `somebody else reloads ${this.#title} at the same time: ${this.#overlap}`,
      `wait for the other one to end (pm2 ls), then: ${this.#again()}`,
    );
  }

  #note(text: string): void {
    this.#notes.push(text);
    this.#progress('note', text);
  }

  #progress(step: ReloadProgress['step'], message: string, more: { deadlineMs?: number } = {}): void {
    const ms = Math.round(performance.now() - this.#startedMs);
    this.parts.log(`reload ${this.#title}: ${message}`);
    this.tell({ action: 'reload', app: this.#title, step, message, ms, ...more });
  }
}

const LIKE_A_FILE = /\.(json5?|ya?ml|config\.[cm]?js)$/;

/** An ecosystem file is read by the command, where it is; what comes here is the name of an app. */
function noFile({ app, by }: ReloadRequest, failure: Failure): Failure {
  const hint =
    by === 'command'
      ? 'there is no such file here; look with: ls, and pm2 ls'
      : `a file is read by the command: ${shellLine(NAME, 'reload', app)}`;
  return { ...failure, message: `"${app}" is no app and no id that PM2 manages`, hint };
}

/** One that ends while it drains gives no answer any more. */
async function whenGone(pid: number, withinMs: number): Promise<Reply> {
  const endsMs = performance.now() + withinMs + LOOK_EVERY_MS;
  while (isAlive(pid) && performance.now() < endsMs) await sleep(LOOK_EVERY_MS, undefined, { ref: false });
  return refused('E_STATE', `pid ${pid} ended meanwhile`, 'look with: pm2 ls');
}

/** Does it listen, or did it before it was drained? */
function listens({ state }: Member): boolean {
  return state === 'serving' || state === 'draining' || state === 'drained';
}

/** By rising id; not what a reload of PM2 is about to end. */
function instancesOf(fleet: Fleet, app: App): Member[] {
  return fleet.instancesOf(app).filter(({ process }) => typeof process.pmId === 'number');
}

function refused(code: Failure['code'], message: string, hint: string): Failure {
  return { ok: false, action: 'reload', code, message, hint };
}
