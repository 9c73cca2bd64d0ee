// Has a drained instance serve again when its siblings are gone: `pm2 scale web 1` may keep just that one, and no process would
// take the app's clients. Leaves it alone if a person drained it with `force`, or if its drain is part of a dump or a reload.
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { AgentCalls } from '../agents/agentCalls.ts';
import { isAttached } from '../fleet/attachment.ts';
import { coverOf, list } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { isBelievedToServe } from '../fleet/serving.ts';

/** A sibling that is starting gets this long to serve. */
const STARTS_WITHIN_MS = 3_000;
/** Pause between two looks while a sibling starts. */
const LOOK_EVERY_MS = 100;
/** How long an agent may take to listen again. */
const RESUMES_WITHIN_MS = 10_000;

/** PM2's words for a process that it does not start again by itself. */
const GONE: ReadonlySet<string> = new Set(['stopping', 'stopped', 'errored']);

export interface LastServing {
  /** Looks for drained instances that no sibling replaces; to be called whenever the fleet has changed. */
  look(): void;
}

export interface LastServingParts {
  fleet: Fleet;
  calls: Pick<AgentCalls, 'run'>;
  askState(member: Member): Promise<void>;
  /** Does a reload of this app run, or is one undone? Which instance dumps its heap? Reload and dump resume what they drain. */
  reloading(app: App): boolean;
  dumping(app: App): PmId | undefined;
  log(line: string): void;
}

export function createLastServing({ fleet, calls, askState, reloading, dumping, log }: LastServingParts): LastServing {
  /** The pids of instances that are about to serve again. */
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
    // Asks the agents how they stand now: a module that has just started does not know it yet.
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

  /** Is it drained without a reason that still holds, while no sibling serves at its addresses? */
  function isAbandoned(member: Member): boolean {
    const { process: listed, state, stays, addresses = [] } = member;
    const app = appOf(listed);
    if (!isAttached(member) || state !== 'drained' || stays || listed.standIn !== undefined) return false;
    if (listed.status !== 'online' || typeof listed.pmId !== 'number') return false;
    if (reloading(app) || dumping(app) !== undefined) return false;
    const siblings = fleet.siblingsOf(member);
    // A person has drained a sibling with `force`: the whole app is to stay out of service.
    if (siblings.some((other) => isAttached(other) && other.state === 'drained' && other.stays)) return false;
    const serving = siblings.filter(isBelievedToServe);
    return (
      coverOf({ ...member, addresses }, serving).covered.length === 0 && (addresses.length > 0 || serving.length === 0)
    );
  }

  function siblingStarts(member: Member): boolean {
    return fleet.siblingsOf(member).some(({ process: listed, attachment, state }) => {
      if (GONE.has(listed.status) || typeof listed.pmId !== 'number') return false;
      return listed.status !== 'online' || (attachment.is === 'waiting' && state === 'unknown');
    });
  }
}
