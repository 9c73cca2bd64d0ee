// Keeps every managed process attached: tries each one without an agent, again and again with growing pauses.
import { randomUUID } from 'node:crypto';
import type { PmId } from '../../contract/pmId.ts';
import { isRunning } from '../../shared/linux/running.ts';
import type { Attacher } from '../attach/index.ts';
import { subjectOf } from '../events/events.ts';
import { isAttached, isOpen, skip, wait } from '../fleet/attachment.ts';
import type { Member } from '../fleet/fleet.ts';
import { keptActions } from './agentOptions.ts';
import { FIRST_RETRY_MS, LONGEST_RETRY_MS, type Next } from './attachAttempt.ts';
import { lineOn } from './attachLog.ts';
import type { Handshake } from './handshake.ts';
import type { Services } from './services.ts';

export interface AttachLoop {
  /** Tries those of these processes now that are not attached. */
  look(members: readonly Member[]): void;
  /** Tells agents which actions their apps have registered themselves meanwhile, and keep. */
  tellKept(members: readonly Member[]): void;
  /** Forgets earlier tries, and begins anew. */
  retry(members: readonly Member[]): void;
  /** Records that an agent has disposed of itself. `forGood`: another agent would do the same. */
  lost(pmId: PmId, reason: string, forGood?: boolean): void;
  /** Has the agents dispose of themselves. The processes stay without until a person attaches them again, or they restart. */
  detach(members: readonly Member[]): Promise<void>;
  /** Ends the tries, and closes the inspectors that they have opened. */
  close(): Promise<void>;
}

interface Parts extends Pick<Services, 'daemon' | 'fleet' | 'events' | 'log'> {
  attacher: Pick<Attacher, 'close'>;
  handshake: Pick<Handshake, 'welcome'>;
  attempt(member: Member, tries: number): Promise<Next>;
}

/** The tries of one process. */
interface Effort {
  tries: number;
  /** The last log line about it. */
  said: string;
  busy: boolean;
  timer?: NodeJS.Timeout;
}

export function createAttachLoop({ daemon, fleet, events, log, attacher, handshake, attempt }: Parts): AttachLoop {
  /** The tries by pid. */
  const efforts = new Map<number, Effort>();
  /** By pid: how often its agent has disposed of itself. */
  const losses = new Map<number, number>();
  let closed = false;

  return { look, tellKept, retry, lost, detach, close };

  function look(members: readonly Member[]): void {
    for (const member of members) void tryToAttach(member);
  }

  function tellKept(members: readonly Member[]): void {
    for (const member of members) {
      const unknown = keptActions(member.process).filter((name) => !member.kept.includes(name));
      if (isAttached(member) && unknown.length > 0) handshake.welcome(member).catch(() => {});
    }
  }

  function retry(members: readonly Member[]): void {
    for (const member of members) {
      forget(member.process.pid);
      if (!isAttached(member)) wait(member, 'new', 'just seen');
    }
    look(members);
  }

  async function tryToAttach(member: Member): Promise<void> {
    const { pid } = member.process;
    if (closed || pid <= 0 || !isOpen(member)) return;
    const effort = efforts.get(pid) ?? { tries: 0, said: '', busy: false };
    efforts.set(pid, effort);
    if (effort.busy) return;
    effort.busy = true;
    clearTimeout(effort.timer);
    effort.tries += 1;
    const { pauseMs, anew } = await attempt(member, effort.tries).catch((error: Error): Next => {
      wait(member, 'internal', `attaching failed: ${error.message}`);
      return { pauseMs: LONGEST_RETRY_MS };
    });
    if (anew) effort.tries = 0;
    effort.busy = false;
    if (closed || fleet.get(member.process.pmId) !== member) {
      forget(pid);
      return;
    }
    say(member, effort);
    if (pauseMs === null || isAttached(member)) return;
    effort.timer = setTimeout(() => void tryToAttach(member), pauseMs);
    effort.timer.unref();
  }

  function lost(pmId: PmId, reason: string, forGood = false): void {
    const member = fleet.get(pmId);
    if (!member || !isAttached(member)) return;
    const { pid } = member.process;
    forgetStanding(member);
    forget(pid);
    if (forGood) {
      skip(member, 'left', reason);
      say(member, { said: '' });
    } else {
      wait(member, 'left', `its agent took itself out: ${reason}`);
      lookAgain(member);
    }
    events.emit('attachment-lost', { process: subjectOf(member.process), reason });
  }

  /** Tries again after a pause. The pauses grow, because other processes wait while an inspector is open. */
  function lookAgain(member: Member): void {
    const { pid } = member.process;
    const before = losses.get(pid) ?? 0;
    for (const each of losses.keys()) if (!isRunning(each)) losses.delete(each);
    losses.set(pid, before + 1);
    if (before === 0) look([member]);
    else setTimeout(() => look([member]), Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** before)).unref();
  }

  async function detach(members: readonly Member[]): Promise<void> {
    for (const member of members) {
      forget(member.process.pid);
      const wasAttached = isAttached(member);
      skip(member, 'detached', 'detached by hand; to have it back: pm2 trigger pm2-ops attach');
      forgetStanding(member);
      if (!wasAttached) continue;
      events.emit('attachment-lost', { process: subjectOf(member.process), reason: 'detached by hand' });
      await daemon.send(member.process.pmId, { kind: 'detach', nonce: randomUUID() });
    }
  }

  async function close(): Promise<void> {
    closed = true;
    for (const pid of [...efforts.keys()]) forget(pid);
    await attacher.close();
  }

  function forget(pid: number): void {
    clearTimeout(efforts.get(pid)?.timer);
    efforts.delete(pid);
  }

  function say(member: Member, effort: { said: string }): void {
    const line = lineOn(member, effort.said);
    if (line === undefined) return;
    effort.said = line;
    log(line);
  }
}

/** Only an agent tells how a process stands, so without one the module knows nothing of it. */
function forgetStanding(member: Member): void {
  member.state = 'unknown';
  delete member.graceful;
}
