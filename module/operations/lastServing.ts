// A drained instance whose siblings have gone serves again: PM2 may keep just that one (`pm2 scale web 1`), and clients would be
// refused until somebody looks. A drain that somebody insisted on, and one that is part of something, is left alone.
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { AgentCalls } from '../agents/agentCalls.ts';
import { coverOf, list } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { isBelievedToServe } from '../fleet/serving.ts';

/** How long a sibling that is just starting has until it serves, in milliseconds. */
const STARTS_WITHIN_MS = 3_000;
/** Pause between two looks while one starts, in milliseconds. */
const LOOK_EVERY_MS = 100;
/** How long an agent may take to listen again, in milliseconds. */
const RESUMES_WITHIN_MS = 10_000;

/** PM2's words for a process that it will not start again by itself. */
const GONE: ReadonlySet<string> = new Set(['stopping', 'stopped', 'errored']);

export interface LastServing {
  /** Something has changed: looks whether nobody serves where a drained instance could. */
  look(): void;
}

export interface LastServingParts {
  fleet: Fleet;
  calls: Pick<AgentCalls, 'run'>;
  askState(member: Member): Promise<void>;
  /** Is this app being reloaded, or put right after that? Which instance dumps its heap? Then others see to it. */
  reloading(app: App): boolean;
  dumping(app: App): PmId | undefined;
  log(line: string): void;
}

export function createLastServing({ fleet, calls, askState, reloading, dumping, log }: LastServingParts): LastServing {
  /** By pid: those that are being looked after. */
  const busy = new Set<number>();

  return {
    look() {
      for (const member of fleet.members()) {
        const { pid } = member.process;
        if (busy.has(pid) || !isAbandoned(member)) continue;
        busy.add(pid);
        serveAgain(member)
          .catch(() => {})
          .finally(() => busy.delete(pid));
      }
    },
  };

  async function serveAgain(member: Member): Promise<void> {
    const { pmId } = member.process;
    const endsMs = performance.now() + STARTS_WITHIN_MS;
    while (isAbandoned(member) && siblingStarts(member) && performance.now() < endsMs) await sleep(LOOK_EVERY_MS);
    // How it stands now: a module that has just started knows it from hearsay.
    await Promise.all([member, ...fleet.siblingsOf(member)].filter(isAttached).map(askState));
    if (!isAbandoned(member) || fleet.get(pmId) !== member) return;
    const { ok } = await calls.run(pmId, 'resume', {}, RESUMES_WITHIN_MS);
    const who = `${titleOf(member.process)} (id ${pmId})`;
    log(
      ok
        ? `${who} was drained and serves again: no other instance serves ${list(member.addresses ?? [])} any more`
        : `${who} is drained, no other instance serves, and it does not listen again; do it: pm2 trigger ${pmId} resume`,
    );
  }

  /** Is it drained, not for good reason, while nobody serves where it would? */
  function isAbandoned(member: Member): boolean {
    const { process, state, stays, addresses = [] } = member;
    const app = appOf(process);
    if (!isAttached(member) || state !== 'drained' || stays || process.standIn !== undefined) return false;
    if (process.status !== 'online' || typeof process.pmId !== 'number') return false;
    if (reloading(app) || dumping(app) !== undefined) return false;
    const siblings = fleet.siblingsOf(member);
    // Somebody wants nobody to serve.
    if (siblings.some((other) => isAttached(other) && other.state === 'drained' && other.stays)) return false;
    const serving = siblings.filter(isBelievedToServe);
    return (
      coverOf({ ...member, addresses }, serving).covered.length === 0 && (addresses.length > 0 || serving.length === 0)
    );
  }

  function siblingStarts(member: Member): boolean {
    return fleet.siblingsOf(member).some(({ process, attachment, state }) => {
      if (GONE.has(process.status) || typeof process.pmId !== 'number') return false;
      return process.status !== 'online' || (attachment.is === 'waiting' && state === 'unknown');
    });
  }
}

function isAttached({ attachment }: Member): boolean {
  return attachment.is === 'attached';
}
