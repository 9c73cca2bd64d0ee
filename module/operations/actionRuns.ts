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
import { TURN_MS, type Turns } from './turns.ts';

/** Pause between two looks at a process that may be gone. */
const LOOK_EVERY_MS = 250;
/** How long an agent may take to tell how large its heap is. */
const HEAP_WITHIN_MS = 2_000;
/** How long a reply may be on its way. */
const MARGIN_MS = 5_000;

export interface ActionRuns {
  /** Always resolves. @param onProgress gets progress, whose deadline counts from that moment */
  run(request: RunRequest, onProgress: (progress: RunProgress) => void): Promise<RunReply | Failure>;
}

export interface ActionRunParts extends Pick<Services, 'fleet' | 'calls' | 'refresh' | 'events'> {
  /** The module's own folder, in which it reads the size of files while processes write them. */
  folder: string;
  turns: Turns;
  /** Removes unfinished files of dead processes. */
  sweep(): void;
}

/** One action in one or several processes. */
interface Run {
  action: ActionName;
  params: Record<string, unknown>;
  tell: TellProgress;
}

export function createActionRuns(parts: ActionRunParts): ActionRuns {
  const { fleet, calls, folder, turns, refresh, events, sweep } = parts;
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
        results.push(...(await Promise.all(members.map((each) => resultOf(run, each)))));
      else for (const member of members) results.push(await resultOf(run, member));
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

  async function resultOf(run: Run, member: Member): Promise<RunResult> {
    const { pmId, name, pid } = member.process;
    const reply = severalOf(run.action).exclusive ? await inTurn(run, member) : await ask(run, member);
    return { id: pmId, name, pid, reply };
  }

  async function inTurn(run: Run, member: Member): Promise<Reply> {
    const app = appOf(member.process);
    const another = `another ${run.action} of ${titleOf(member.process)} runs`;
    const endsMs = performance.now() + TURN_MS;
    for (;;) {
      const withinMs = Math.max(0, endsMs - performance.now());
      if (turns.current(app)) run.tell(member, { phase: 'waiting', detail: another }, { withinMs });
      const turn = await turns.take(app, member.process, withinMs);
      if (!turn) {
        const waited = `${another}, and its turn did not come within ${TURN_MS / 60_000} minutes`;
        return failure(run.action, 'E_TIMEOUT', waited, 'look with: pm2-ops status');
      }
      const answered = await ask(run, member).finally(turn.leave);
      // A trigger reached the process first: its question has its turn now, and the command takes the next.
      const isOvertaken = !answered.ok && answered.code === 'E_BUSY' && turns.current(app) !== undefined;
      if (!isOvertaken) return answered;
    }
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
    tell(member, { phase: 'asked' }, { withinMs });
    const reply = await Promise.race([
      calls.run(pmId, action, params, withinMs, watch.heard),
      ended(pid, withinMs, watch),
    ]);
    return reply === 'ended' ? await whyEnded(action, member, watch.last()) : reply;
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
