// One try to get an agent into a process: may the module attach, is an agent there already, is this a good moment? Then it
// attaches.
import { randomUUID } from 'node:crypto';
import { appOf } from '../../contract/app.ts';
import type { Settings } from '../../contract/settings.ts';
import { type Attacher, qualify, type Script } from '../attach/index.ts';
import { isAttached, skip, wait } from '../fleet/attachment.ts';
import type { Member } from '../fleet/fleet.ts';
import type { ReloadsOfPm2 } from '../pm2/reloadsOfPm2.ts';
import { type State, uidOf } from '../state/state.ts';
import type { OptionsFor } from './agentOptions.ts';
import { type Handshake, HELLO_WITHIN_MS } from './handshake.ts';
import type { Knocks } from './knocks.ts';
import { leftAlone } from './leftAlone.ts';
import type { Services } from './services.ts';

/** The first and the longest pause between two tries: short while a process boots, longer later. */
export const FIRST_RETRY_MS = 50;
export const LONGEST_RETRY_MS = 5_000;
/** Pause before the next try while the process writes a heap dump. */
const DUMPING_RETRY_MS = 500;
/** Pause before the next try while PM2 reloads the app. */
const RELOADING_RETRY_MS = 150;
/** An outcome that asks for a longer pause than this comes from a try that has opened the inspector. */
const LONGEST_QUIET_MS = 1_000;

/** What follows a try. */
export interface Next {
  /** The pause before the next try; null if there is no next try. */
  pauseMs: number | null;
  /** The next try counts as a first one, which asks an agent that may be there. */
  anew?: true;
}

export interface AttemptParts extends Pick<Services, 'fleet'> {
  attacher: Attacher;
  settings: Settings;
  state: State;
  handshake: Handshake;
  knocks: Pick<Knocks, 'isKnocking'>;
  reloads: Pick<ReloadsOfPm2, 'goesOnBeside'>;
  optionsFor: OptionsFor;
  /** The agent's bundle. */
  script: Script;
}

/** @returns a function that tries once and records the outcome as the member's attachment; `tries` counts from 1 */
export function createAttachAttempt(parts: AttemptParts): (member: Member, tries: number) => Promise<Next> {
  const { fleet, attacher, settings, state, handshake, knocks, reloads, optionsFor, script } = parts;
  return async (member, tries) =>
    whyNever(member) ??
    whyNotNow(member) ??
    (await agentIsThere(member, tries)) ??
    whyNotLive(member, tries) ??
    (await attachLive(member, tries));

  /** Do the settings forbid an attach? */
  function whyNever(member: Member): Next | undefined {
    const why = leftAlone(member, settings, fleet);
    return why && never(member, why.code, why.reason);
  }

  function whyNotNow(member: Member): Next | undefined {
    const { pid } = member.process;
    try {
      state.folderFor(uidOf(pid));
    } catch (error) {
      wait(member, 'no-folder', (error as Error).message);
      return { pauseMs: LONGEST_RETRY_MS };
    }
    if (!state.isDumping(pid)) return undefined;
    // Its agent is there and answers later; an inspector would stay open until V8 has written the dump.
    wait(member, 'dumping', 'it writes a heap dump');
    return { pauseMs: DUMPING_RETRY_MS, anew: true };
  }

  /** Welcomes an agent that is there already: of this module before its restart, or loaded by the app. That needs no inspector. */
  async function agentIsThere(member: Member, tries: number): Promise<Next | undefined> {
    if (tries !== 1 || !hasActionsOfOurs(member)) return undefined;
    const hello = await handshake.welcome(member).catch(() => undefined);
    // An agent that announced itself meanwhile may have answered another welcome.
    return hello || isAttached(member) ? { pauseMs: null } : undefined;
  }

  function whyNotLive(member: Member, tries: number): Next | undefined {
    const { pid } = member.process;
    if (settings.attach === 'off') {
      const reason = hasActionsOfOurs(member)
        ? 'its agent does not answer: it is of another version, or its event loop is blocked; restart the app to have the new one'
        : 'the app does not load the agent itself';
      return never(member, 'attach-off', `pm2-ops:attach is off and ${reason}`);
    }
    // During a reload the CPUs are needed by returning clients and by the processes that start and end. On two cores, attaching at
    // once made a reload take 1.25 times as long as without agents, and waiting 1.06 to 1.15 (npm run bench:reload -- --load busy).
    if (reloads.goesOnBeside(appOf(member.process), pid)) {
      wait(member, 'reloading', 'PM2 reloads its app: the agent comes when that is over');
      return { pauseMs: RELOADING_RETRY_MS, anew: true };
    }
    const fitness = qualify(pid);
    if (fitness.fit) return undefined;
    if (fitness.retry) {
      wait(member, fitness.code, fitness.reason);
      return { pauseMs: backoffMs(tries) };
    }
    skip(member, fitness.code, fitness.reason);
    return { pauseMs: fitness.code === 'not-node' ? LONGEST_RETRY_MS : null };
  }

  async function attachLive(member: Member, tries: number): Promise<Next> {
    const { pmId, pid } = member.process;
    const nonce = randomUUID();
    const hello = handshake.expect(nonce, pid);
    const result = await attacher.attach(pid, {
      ...script,
      argument: { options: optionsFor(member.process), nonce },
      isWanted: () => !isAttached(member) && !knocks.isKnocking(pmId, pid),
    });
    if (result.ok) {
      if (await hello()) return { pauseMs: null };
      wait(member, 'no-answer', 'the agent was loaded but has not answered yet: is the event loop blocked?');
      return { pauseMs: backoffMs(tries) };
    }
    // The agent that the app has loaded itself has answered meanwhile.
    if (isAttached(member)) return { pauseMs: null };
    if (result.code === 'unwanted') return { pauseMs: HELLO_WITHIN_MS };
    if (result.retryAfterMs === null) return never(member, result.code, result.reason);
    wait(member, result.code, result.reason);
    // Each inspector that opens costs a busy process five lines in its log, so the pauses grow.
    const growth = result.code === 'busy' && result.retryAfterMs > LONGEST_QUIET_MS ? 2 ** Math.min(tries, 5) : 1;
    return { pauseMs: result.retryAfterMs * growth };
  }
}

function backoffMs(tries: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 1.5 ** (tries - 1));
}

function never(member: Member, code: string, reason: string): Next {
  skip(member, code, reason);
  return { pauseMs: null };
}

function hasActionsOfOurs(member: Member): boolean {
  return member.process.actions.some(({ ours }) => ours);
}
