// Runs an action of managed processes: finds the processes, chooses among them, and hands back exactly their replies.
import { setTimeout as sleep } from 'node:timers/promises';
import { ACTION_NAMES, type ActionName, deadlineMs, severalOf, specsOf } from '../../contract/actions/index.ts';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { RunProgress, RunReply, RunRequest, RunResult } from '../../contract/commandMessages.ts';
import type { ErrorCode, Failure } from '../../contract/errors.ts';
import type { Reply } from '../../contract/reply.ts';
import { isRunning } from '../../shared/linux/running.ts';
import { insteadOf, whyNot } from '../../shared/wrapperAdvice.ts';
import { askOpsStatus } from '../agents/askOpsStatus.ts';
import type { Services } from '../agents/services.ts';
import { subjectOf } from '../events/events.ts';
import { isAttached } from '../fleet/attachment.ts';
import type { Member } from '../fleet/fleet.ts';
import { byLargestHeap } from '../fleet/largestHeap.ts';
import { realProcessOfMember } from '../fleet/realProcess.ts';
import { membersOf } from '../fleet/target.ts';
import { createTellProgress, type TellProgress, type Watch, watchProgress } from './actionProgress.ts';
import { createActionTurns } from './actionTurns.ts';

/** Pause before a busy process is asked again, and between two looks at one that may be gone. */
const LOOK_EVERY_MS = 250;
/** How long an agent may take to say how large its heap is. */
const HEAP_WITHIN_MS = 2_000;
/** What an answer may need on its way. */
const MARGIN_MS = 5_000;
/** How long one may wait for its turn. */
const TURN_MS = 10 * 60_000;

export interface ActionRuns {
  /** Settles in any case. @param onProgress gets progress; each with a deadline counts from then */
  run(request: RunRequest, onProgress: (progress: RunProgress) => void): Promise<RunReply | Failure>;
}

export interface ActionRunParts extends Pick<Services, 'fleet' | 'calls' | 'refresh' | 'events'> {
  /** The module's own; the files that processes write there are looked at while they grow. */
  folder: string;
  /** Removes what processes that are gone left half written. */
  sweep(): void;
}

/** One action, over however many processes. */
interface Run {
  action: ActionName;
  params: Record<string, unknown>;
  tell: TellProgress;
}

export function createActionRuns({ fleet, calls, folder, refresh, events, sweep }: ActionRunParts): ActionRuns {
  const turns = createActionTurns();

  return {
    async run(request, onProgress) {
      const action = ACTION_NAMES.find((name) => name === request.action);
      if (!action) {
        const message = `there is no action "${request.action}"`;
        return failure(request.action, 'E_PARAMS', message, `there are ${ACTION_NAMES.join(', ')}`);
      }
      const tell = createTellProgress(action, onProgress);
      await refresh();
      const found = membersOf(fleet, request.target, action);
      if ('code' in found) return found;
      const members = await choose(action, request, found);
      const run: Run = { action, params: declared(action, request.params), tell };
      const results: RunResult[] = [];
      if (severalOf(action).order === 'at-once')
        results.push(...(await Promise.all(members.map((each) => inTurn(run, each)))));
      else for (const member of members) results.push(await inTurn(run, member));
      return { ok: results.every(({ reply }) => reply.ok), action, target: request.target, results };
    },
  };

  /** The instances of each app that an action is for. */
  async function choose(action: ActionName, { params }: RunRequest, members: Member[]): Promise<Member[]> {
    const all = params.all === true || params.all === 'true';
    if (severalOf(action).takes === 'every' || all || members.length === 1) return members;
    const appOfMember = (member: Member) => appOf(member.process);
    const apps = [...new Set(members.map(appOfMember))];
    const instancesOf = (app: App) => members.filter((member) => appOfMember(member) === app);
    return (await Promise.all(apps.map((app) => largest(instancesOf(app))))).flat();
  }

  /** The instance whose heap is the largest, of those that answer. */
  async function largest(members: Member[]): Promise<Member[]> {
    const heaps = await Promise.all(
      members.filter(isAttached).map(async (member) => {
        const status = await askOpsStatus(calls, member.process.pmId, HEAP_WITHIN_MS);
        return { member, heapUsed: status?.memory.heapUsed ?? -1 };
      }),
    );
    const chosen = byLargestHeap(heaps, ({ heapUsed }) => heapUsed)[0]?.member ?? members[0];
    return chosen ? [chosen] : [];
  }

  async function inTurn(run: Run, member: Member): Promise<RunResult> {
    const { pmId, name, pid } = member.process;
    const result = (reply: Reply): RunResult => ({ id: pmId, name, pid, reply });
    if (!severalOf(run.action).exclusive) return result(await ask(run, member));
    const app = appOf(member.process);
    if (turns.isTaken(app)) {
      const detail = `another ${run.action} of ${titleOf(member.process)} runs`;
      run.tell(member, { phase: 'waiting', detail }, { withinMs: TURN_MS });
    }
    return result(await turns.take(app, () => ask(run, member)));
  }

  async function ask(run: Run, member: Member): Promise<Reply> {
    const { action } = run;
    if (!isAttached(member)) return whyNotAsked(action, member);
    const subject = subjectOf(member.process);
    const startedMs = performance.now();
    events.emit('action-started', { process: subject, action });
    const watch = watchProgress(member, run.tell, folder);
    try {
      const reply = await untilReply(run, member, watch);
      events.emit('action-finished', {
        process: subject,
        action,
        reply,
        ms: Math.round(performance.now() - startedMs),
      });
      return reply;
    } finally {
      watch.stop();
    }
  }

  async function untilReply({ action, params, tell }: Run, member: Member, watch: Watch): Promise<Reply> {
    const { pmId, pid } = member.process;
    const withinMs = deadlineMs(action, params) + MARGIN_MS;
    const endsMs = performance.now() + TURN_MS;
    tell(member, { phase: 'asked' }, { withinMs: withinMs + TURN_MS });
    for (;;) {
      const reply = await Promise.race([
        calls.run(pmId, action, params, withinMs, watch.heard),
        ended(pid, withinMs, watch),
      ]);
      if (reply === 'ended') return await whyEnded(action, member, watch.last());
      // A trigger asked for it as well, and the process is in the middle of that: ours comes after.
      const isBusy = !reply.ok && reply.code === 'E_BUSY' && severalOf(action).exclusive;
      if (!isBusy || performance.now() > endsMs) return reply;
      watch.heard({ phase: 'waiting', detail: reply.message });
      await sleep(LOOK_EVERY_MS);
    }
  }

  async function whyEnded(action: ActionName, { process: asked }: Member, last: string): Promise<Reply> {
    sweep();
    await refresh();
    const now = fleet.get(asked.pmId)?.process;
    const after = !now ? 'PM2 does not list it any more' : `PM2 has it as pid ${now.pid} now (${now.status})`;
    return failure(
      action,
      'E_STATE',
      `pid ${asked.pid} of ${titleOf(asked)} (id ${asked.pmId}) ended in the middle of ${action} (${last}); nothing half written stays behind; ${after}`,
      `why it ended: pm2 logs ${asked.pmId} --nostream, ~/.pm2/pm2.log (max_memory_restart?), dmesg (out of memory?)`,
    );
  }
}

/** No agent takes the question: the app may be another process, or a person has to look. */
function whyNotAsked(action: ActionName, member: Member): Failure {
  const { process: listed, attachment } = member;
  const real = realProcessOfMember(member);
  if (real?.is === 'wrapper') return failure(action, 'E_WRAPPER', whyNot(action, real), insteadOf(real, listed.name));
  const reason = attachment.is === 'attached' ? '' : attachment.reason;
  const message = `pm2-ops is not attached to ${titleOf(listed)} (id ${listed.pmId}): ${reason}`;
  return failure(action, 'E_STATE', message, 'look with: pm2-ops status');
}

/** `all` is about the choice of instances, and not every action has it as a parameter of its own. */
function declared(action: ActionName, { all, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return all === undefined || !('all' in specsOf(action)) ? rest : { ...rest, all };
}

/** A process that ends gives no answer any more. */
async function ended(pid: number, withinMs: number, watch: Watch): Promise<'ended'> {
  const endsMs = performance.now() + withinMs + MARGIN_MS;
  while (!watch.isOver() && isRunning(pid) && performance.now() < endsMs) await sleep(LOOK_EVERY_MS);
  return 'ended';
}

function failure(action: string, code: ErrorCode, message: string, hint: string): Failure {
  return { ok: false, action, code, message, hint };
}
