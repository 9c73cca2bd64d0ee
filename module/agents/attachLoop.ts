// Keeps every managed process attached: finds those that are not, tries again with patience, and says of each why not.
import { randomUUID } from 'node:crypto';
import { ACTION_NAMES } from '../../contract/actions/index.ts';
import type { AgentMessage, AgentOptions } from '../../contract/agentMessages.ts';
import { appOf, titleOf } from '../../contract/app.ts';
import { VERSION } from '../../contract/version.ts';
import { isRunning } from '../../shared/linux/running.ts';
import { type Attacher, qualify } from '../attach/index.ts';
import { type Fleet, learn, type Member } from '../fleet/fleet.ts';
import type { Daemon, ManagedProcess, PmId } from '../pm2/daemon.ts';
import { watchReloadsOfPm2 } from '../pm2/reloadsOfPm2.ts';
import { isExcluded, matches, type Settings } from '../pm2/settings.ts';
import { type State, uidOf } from '../state/state.ts';

/** How long an agent may take to answer its nonce, in milliseconds; it takes a few when its event loop is free. */
const HELLO_WITHIN_MS = 1_000;
/** The first and the longest pause between two tries, in milliseconds: short while a process boots, then out of the way. */
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 5_000;
/** Pause before a process that writes a heap dump is looked at again, in milliseconds. */
const DUMPING_RETRY_MS = 500;
/** How long an agent that the app loaded itself has to answer its welcome before a live attach, in milliseconds. */
const KNOCK_MS = 5_000;
/** Pause before a process whose app is being reloaded is looked at again, in milliseconds. */
const RELOADING_RETRY_MS = 150;
/** Nonces of one process that are waited for at the same time. */
const MOST_UNANSWERED = 16;
/** A pause that is longer than this, in milliseconds, follows a try for which the inspector was opened. */
const LONGEST_QUIET_MS = 1_000;

/** What a process waits for that is as it should be, and not worth a line. */
const QUIET_CODES: ReadonlySet<string> = new Set(['booting', 'reloading']);

type Hello = Extract<AgentMessage, { kind: 'hello' }>;

export interface Keeper {
  /** Looks at one process, or at all of them, now. */
  look(members: readonly Member[]): void;
  /** Tells agents whose app turned out to have an action of that name itself to step back. */
  yieldTaken(members: readonly Member[]): void;
  /** Forgets what was tried, and looks again. */
  retry(members: readonly Member[]): void;
  /** Has an agent say how it stands now; settles in any case. */
  askState(member: Member): Promise<void>;
  /** Has an agent answer. @returns whether it did within that time. @throws when it cannot be asked */
  answers(member: Member, withinMs: number): Promise<boolean>;
  /** An agent said hello. @returns false when it was not asked for this one */
  heard(pmId: PmId, hello: Hello): boolean;
  /** The app loaded the agent itself and waits for a welcome. */
  knocked(pmId: PmId, pid: number): void;
  /** A process came online under an id, started so many times before: a reload has begun if its predecessor still lives. */
  succeeded(pmId: PmId, restarts: number): void;
  /** PM2 does not list these any more; those that still live are being replaced. */
  replaced(members: readonly Member[]): void;
  /** The agent of a process took itself out. */
  left(pmId: PmId, reason: string, forGood?: boolean): void;
  /** Takes the agents out; the processes stay without until they are looked at again. */
  detach(members: readonly Member[]): Promise<void>;
  close(): Promise<void>;
}

export interface KeeperParts {
  daemon: Daemon;
  fleet: Fleet;
  attacher: Attacher;
  settings: Settings;
  state: State;
  /** The agent's bundled source. */
  source: string;
  leaseMs: number;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  log(line: string): void;
}

export function createKeeper({
  daemon,
  fleet,
  attacher,
  settings,
  state,
  source,
  leaseMs,
  refresh,
  log,
}: KeeperParts): Keeper {
  /** By nonce. They stay when nobody waits any more, since an agent may be late. */
  const asked = new Map<string, { pid: number; answer(hello: Hello): void }>();
  /** When an agent that the app loaded itself announced itself, in milliseconds of Date.now(). */
  const knocks = new Map<PmId, { pid: number; atMs: number }>();
  /** By pid: how often its agent took itself out. */
  const departures = new Map<number, number>();
  /** By pid: how often it was tried, and what was last logged about it. */
  const efforts = new Map<number, { tries: number; said: string; busy: boolean; timer?: NodeJS.Timeout }>();
  const reloads = watchReloadsOfPm2(isRunning);
  let closed = false;

  return { look, yieldTaken, retry, askState, answers, heard, knocked, succeeded, replaced, left, detach, close };

  function look(members: readonly Member[]): void {
    for (const member of members) void effort(member);
  }

  function yieldTaken(members: readonly Member[]): void {
    for (const member of members) {
      const unknown = takenActions(member.process).filter((name) => !member.kept.includes(name));
      if (isAttached(member) && unknown.length > 0) welcome(member).catch(() => {});
    }
  }

  function retry(members: readonly Member[]): void {
    for (const member of members) {
      forget(member.process.pid);
      if (member.attachment.is !== 'attached') wait(member, 'new', 'just seen');
    }
    look(members);
  }

  async function effort(member: Member): Promise<void> {
    const { pid } = member.process;
    if (closed || pid <= 0 || !isOpen(member)) return;
    const own = efforts.get(pid) ?? { tries: 0, said: '', busy: false };
    efforts.set(pid, own);
    if (own.busy) return;
    own.busy = true;
    clearTimeout(own.timer);
    own.tries += 1;
    let pauseMs: number | null = null;
    try {
      pauseMs = await attempt(member, own.tries);
    } catch (error) {
      wait(member, 'internal', `attaching failed: ${(error as Error).message}`);
      pauseMs = LONGEST_RETRY_MS;
    }
    own.busy = false;
    if (closed || fleet.get(member.process.pmId) !== member) {
      forget(pid);
      return;
    }
    say(member, own);
    if (pauseMs === null || isAttached(member)) return;
    own.timer = setTimeout(() => void effort(member), pauseMs);
    own.timer.unref();
  }

  /** One try. @returns the pause before the next one in milliseconds, or null when there is to be none */
  async function attempt(member: Member, tries: number): Promise<number | null> {
    const { process } = member;
    const { name, pid } = process;
    const backoffMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 1.5 ** (tries - 1));
    const called = [name, titleOf(process)];
    if (!called.some((each) => matches(each, settings.include)))
      return skip(member, 'not-included', 'not in pm2-ops:include');
    const names = fleet.members().flatMap((each) => [each.process.name, titleOf(each.process)]);
    if (called.some((each) => isExcluded(each, settings.exclude, names)))
      return skip(member, 'excluded', 'excluded by pm2-ops:exclude');

    try {
      state.folderFor(uidOf(pid));
    } catch (error) {
      wait(member, 'no-folder', (error as Error).message);
      return LONGEST_RETRY_MS;
    }
    // Its agent is there and will answer; an inspector would stay open until V8 is done.
    if (state.isDumping(pid)) {
      wait(member, 'dumping', 'it writes a heap dump');
      forgetTries(pid);
      return DUMPING_RETRY_MS;
    }

    // An agent of a predecessor of this module, or one that the app loaded itself, needs no inspector.
    if (tries === 1 && process.actions.some(({ ours }) => ours)) {
      const hello = await welcome(member).catch(() => undefined);
      // Or one that announced itself meanwhile has answered another welcome.
      if (hello || isAttached(member)) return null;
    }
    if (settings.attach === 'off') {
      const reason = process.actions.some(({ ours }) => ours)
        ? 'its agent does not answer: it is of another version, or its event loop is blocked; restart the app to have the new one'
        : 'the app does not load the agent itself';
      return skip(member, 'attach-off', `pm2-ops:attach is off and ${reason}`);
    }

    // The processors have the clients who come back, what starts and what ends: on two cores a reload took 1.25 times as long
    // as without agents, and 1.06 to 1.15 with agents that wait (npm run bench:reload -- --load busy).
    if (reloads.goesOnBeside(appOf(process), pid)) {
      wait(member, 'reloading', 'PM2 reloads its app: the agent comes when that is over');
      forgetTries(pid);
      return RELOADING_RETRY_MS;
    }
    const fitness = qualify(pid);
    if (!fitness.fit) {
      if (!fitness.retry) {
        skip(member, fitness.code, fitness.reason);
        // A shell that starts the app by `exec` becomes Node under the same pid.
        return fitness.code === 'not-node' ? LONGEST_RETRY_MS : null;
      }
      wait(member, fitness.code, fitness.reason);
      return backoffMs;
    }
    const nonce = randomUUID();
    const hello = expect(nonce, pid);
    const result = await attacher.attach(pid, {
      source,
      argument: { options: optionsFor(member), nonce },
      isWanted: () => !isAttached(member) && !isKnocking(process.pmId, pid),
    });
    if (!result.ok) {
      // Its own copy of the agent has answered meanwhile.
      if (isAttached(member)) return null;
      if (result.code === 'unwanted') return HELLO_WITHIN_MS;
      if (result.retryAfterMs === null) return skip(member, result.code, result.reason);
      wait(member, result.code, result.reason);
      // Each look at a process in the middle of its requests has cost it five lines in its log.
      const growth = result.code === 'busy' && result.retryAfterMs > LONGEST_QUIET_MS ? 2 ** Math.min(tries, 5) : 1;
      return result.retryAfterMs * growth;
    }
    if (!(await inTime(hello))) {
      wait(member, 'no-answer', 'the agent was loaded but has not answered yet: is the event loop blocked?');
      return backoffMs;
    }
    return null;
  }

  /** Offers options to an agent that may be there. */
  async function welcome(member: Member): Promise<Hello | undefined> {
    const answer = await ask(member, HELLO_WITHIN_MS);
    return answer?.version === VERSION ? answer : undefined;
  }

  /** Whichever version it is. */
  async function answers(member: Member, withinMs: number): Promise<boolean> {
    return (await ask(member, withinMs)) !== undefined;
  }

  async function ask(member: Member, withinMs: number): Promise<Hello | undefined> {
    const nonce = randomUUID();
    const hello = expect(nonce, member.process.pid);
    await daemon.send(member.process.pmId, { kind: 'welcome', nonce, options: optionsFor(member) });
    return inTime(hello, withinMs);
  }

  async function askState(member: Member): Promise<void> {
    await welcome(member).catch(() => undefined);
  }

  /** To be called before the nonce is sent: the answer may be faster than whoever sends it. */
  function expect(nonce: string, pid: number): Promise<Hello> {
    const pids = new Set(fleet.members().map(({ process }) => process.pid));
    for (const [each, question] of asked) if (!pids.has(question.pid)) asked.delete(each);
    const older = [...asked].filter(([, question]) => question.pid === pid);
    for (const [each] of older.slice(0, Math.max(0, older.length - MOST_UNANSWERED + 1))) asked.delete(each);
    return new Promise((resolve) => asked.set(nonce, { pid, answer: resolve }));
  }

  async function inTime(hello: Promise<Hello>, withinMs = HELLO_WITHIN_MS): Promise<Hello | undefined> {
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

  /** Did the app's own copy of the agent announce itself a moment ago? Its welcome is on the way. */
  function isKnocking(pmId: PmId, pid: number): boolean {
    const knock = knocks.get(pmId);
    return knock?.pid === pid && Date.now() - knock.atMs < KNOCK_MS;
  }

  function heard(pmId: PmId, hello: Hello): boolean {
    const member = fleet.get(pmId);
    const question = asked.get(hello.nonce ?? '');
    if (!question || question.pid !== hello.pid || member?.process.pid !== hello.pid) return false;
    asked.delete(hello.nonce ?? '');
    learn(member, hello);
    member.kept = hello.kept;
    member.wrapper = hello.wrapper;
    if (hello.version === VERSION) {
      member.attachment = { is: 'attached', version: hello.version, since: Date.now() };
    }
    question.answer(hello);
    return true;
  }

  function knocked(pmId: PmId, pid: number): void {
    for (const [each, { atMs }] of knocks) if (Date.now() - atMs > KNOCK_MS) knocks.delete(each);
    // Each has PM2 measure all its processes.
    if (isKnocking(pmId, pid)) return;
    knocks.set(pmId, { pid, atMs: Date.now() });
    refresh()
      .then(() => {
        const member = fleet.get(pmId);
        if (member && member.process.pid === pid && !isAttached(member)) return welcome(member);
      })
      .catch(() => {});
  }

  function succeeded(pmId: PmId, restarts: number): void {
    const old = fleet.get(pmId);
    // It may be listed already; then its predecessor is `replaced`.
    if (old && old.process.restarts < restarts) leaves(old);
  }

  function replaced(members: readonly Member[]): void {
    for (const member of members) leaves(member);
  }

  function leaves(member: Member): void {
    const { pmId, pid } = member.process;
    if (pid <= 0 || !isRunning(pid) || !reloads.leaves(appOf(member.process), pid)) return;
    // PM2 keeps it under this id until its successor listens (lib/God/Reload.js).
    if (isAttached(member)) daemon.send(`_old_${pmId}`, { kind: 'successor' }).catch(() => {});
    // Its agent had to wait for the end of the last reload: there is time for one try, while its successor starts.
    else if (isOpen(member)) void effort(member);
  }

  function left(pmId: PmId, reason: string, forGood = false): void {
    const member = fleet.get(pmId);
    if (!member || !isAttached(member)) return;
    member.state = 'unknown';
    delete member.graceful;
    if (forGood) {
      forget(member.process.pid);
      skip(member, 'left', reason);
      say(member, { said: '' });
      return;
    }
    member.attachment = { is: 'waiting', code: 'left', reason: `its agent took itself out: ${reason}` };
    const { pid } = member.process;
    forget(pid);
    // Each of these may have an inspector opened, for which the others wait.
    const before = departures.get(pid) ?? 0;
    for (const each of departures.keys()) if (!isRunning(each)) departures.delete(each);
    departures.set(pid, before + 1);
    if (before === 0) look([member]);
    else setTimeout(() => look([member]), Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** before)).unref();
  }

  async function detach(members: readonly Member[]): Promise<void> {
    for (const member of members) {
      forget(member.process.pid);
      const attached = isAttached(member);
      skip(member, 'detached', 'detached by hand; to have it back: pm2 trigger pm2-ops attach');
      member.state = 'unknown';
      delete member.graceful;
      if (attached) await daemon.send(member.process.pmId, { kind: 'detach', nonce: randomUUID() });
    }
  }

  async function close(): Promise<void> {
    closed = true;
    for (const pid of [...efforts.keys()]) forget(pid);
    await attacher.close();
  }

  function optionsFor({ process }: Member): AgentOptions {
    const uid = uidOf(process.pid);
    return {
      version: VERSION,
      stateDir: state.folderFor(uid),
      leaseFile: state.leaseFor(uid),
      leaseMs,
      takenActions: takenActions(process),
      maxMemoryRestart: process.maxMemoryRestart,
      killTimeoutMs: process.killTimeoutMs,
      graceful: settings.graceful,
      dumpKeep: settings.dump_keep,
      dumpMaxBytes: settings.dump_max_bytes,
    };
  }

  /** The next try is a first one: it asks the agent that may be there. */
  function forgetTries(pid: number): void {
    const own = efforts.get(pid);
    if (own) own.tries = 0;
  }

  function forget(pid: number): void {
    clearTimeout(efforts.get(pid)?.timer);
    efforts.delete(pid);
  }

  /** Logs what became of a process, once per reason. */
  function say(member: Member, own: { said: string }): void {
    const { pmId, pid } = member.process;
    const { attachment } = member;
    const name = titleOf(member.process);
    const line =
      attachment.is === 'attached'
        ? `attached to ${name} (id ${pmId}, pid ${pid})`
        : `${attachment.is} ${name} (id ${pmId}, pid ${pid}): ${attachment.reason}`;
    if (line === own.said || (attachment.is === 'waiting' && QUIET_CODES.has(attachment.code))) return;
    own.said = line;
    log(line);
  }
}

/** May it still become attached by itself? */
function isOpen({ attachment }: Member): boolean {
  return attachment.is === 'waiting' || (attachment.is === 'skipped' && attachment.code === 'not-node');
}

function isAttached(member: Member): boolean {
  return member.attachment.is === 'attached';
}

/** Names of ours under which PM2 lists an action of the app's. */
function takenActions({ actions }: ManagedProcess): string[] {
  const ours: readonly string[] = ACTION_NAMES;
  return actions.filter((action) => !action.ours && ours.includes(action.name)).map(({ name }) => name);
}

function wait(member: Member, code: string, reason: string): void {
  member.attachment = { is: 'waiting', code, reason };
}

function skip(member: Member, code: string, reason: string): null {
  member.attachment = { is: 'skipped', code, reason };
  return null;
}
