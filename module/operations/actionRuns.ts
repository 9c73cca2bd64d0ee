// Runs an action of managed processes for the command line (and whoever else asks the module): finds the processes, lets
// each have its turn, tells how far it is, and hands back exactly their replies.
import { setTimeout as sleep } from 'node:timers/promises';
import { ACTION_NAMES, type ActionName, deadlineMs, declarationOf, specsOf } from '../../contract/actions/index.ts';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { RunProgress, RunReply, RunRequest, RunResult } from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import type { ActionProgress } from '../../contract/progress.ts';
import type { Reply } from '../../contract/reply.ts';
import { isRunning } from '../../shared/linux/running.ts';
import { insteadOf, whyNot } from '../../shared/wrapperAdvice.ts';
import type { AgentCalls } from '../agents/agentCalls.ts';
import { askOpsStatus } from '../agents/askOpsStatus.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { byLargestHeap } from '../fleet/largestHeap.ts';
import { realProcessOfMember } from '../fleet/realProcess.ts';
import { nobody, processesOf } from '../fleet/target.ts';
import { writtenBytes } from '../state/writtenBytes.ts';

/** Pause between two looks at a file that grows, or at a process that may be gone, in milliseconds. */
const LOOK_EVERY_MS = 250;
/** How long an agent may take to say how large its heap is, in milliseconds. */
const HEAP_WITHIN_MS = 2_000;
/** What an answer may need on its way, in milliseconds. */
const MARGIN_MS = 5_000;
/** How long one may wait for its turn, in milliseconds. */
const TURN_MS = 10 * 60_000;

export interface ActionRuns {
  /** Settles in any case. @param tell gets progress; each with a deadline counts from then */
  run(request: RunRequest, tell: (progress: RunProgress) => void): Promise<RunReply | Failure>;
}

export interface ActionRunParts {
  fleet: Fleet;
  calls: AgentCalls;
  /** The module's own; what processes write there is looked at while it grows. */
  folder: string;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  /** Removes what processes that are gone left half written. */
  sweep(): void;
}

export function createActionRuns({ fleet, calls, folder, refresh, sweep }: ActionRunParts): ActionRuns {
  /** By app: settles when the last one that waits for an exclusive action is done. */
  const turns = new Map<App, Promise<unknown>>();

  return {
    async run(request, tell) {
      const startedMs = performance.now();
      const action = ACTION_NAMES.find((name) => name === request.action);
      if (!action) {
        const message = `there is no action "${request.action}"`;
        return failure(request.action, 'E_PARAMS', message, `there are ${ACTION_NAMES.join(', ')}`);
      }
      await refresh();
      const found = processesOf(fleet, request.target);
      if (found.length === 0) {
        return failure(action, 'E_PARAMS', ...nobody(fleet, request.target));
      }
      const members = await choose(action, request, found);
      const run = new Run(action, declared(action, request.params), startedMs, tell, folder);
      const results: RunResult[] = [];
      if (declarationOf(action).several.order === 'at-once')
        results.push(...(await Promise.all(members.map((each) => one(run, each)))));
      else for (const member of members) results.push(await one(run, member));
      return { ok: results.every(({ reply }) => reply.ok), action, target: request.target, results };
    },
  };

  async function choose(action: ActionName, { params }: RunRequest, members: Member[]): Promise<Member[]> {
    const all = params.all === true || params.all === 'true';
    if (declarationOf(action).several.takes === 'every' || all || members.length === 1) return members;
    const apps = [...new Set(members.map(({ process }) => appOf(process)))];
    const of = (app: App) => members.filter(({ process }) => appOf(process) === app);
    return (await Promise.all(apps.map((app) => largest(of(app))))).flat();
  }

  /** The instance whose heap is the largest, of those that answer. */
  async function largest(members: Member[]): Promise<Member[]> {
    const attached = members.filter(({ attachment }) => attachment.is === 'attached');
    const heaps = await Promise.all(
      attached.map(async (member) => {
        const status = await askOpsStatus(calls, member.process.pmId, HEAP_WITHIN_MS);
        return { member, heapUsed: status?.memory.heapUsed ?? -1 };
      }),
    );
    const chosen = byLargestHeap(heaps, ({ heapUsed }) => heapUsed)[0]?.member ?? members[0];
    return chosen ? [chosen] : [];
  }

  async function one(run: Run, member: Member): Promise<RunResult> {
    const { pmId, name, pid } = member.process;
    const result = (reply: Reply): RunResult => ({ id: pmId, name, pid, reply });
    if (!declarationOf(run.action).several.exclusive) return result(await ask(run, member));
    const app = appOf(member.process);
    const before = turns.get(app);
    const detail = `another ${run.action} of ${titleOf(member.process)} runs`;
    if (before) run.tell(member, { phase: 'waiting', detail }, TURN_MS);
    const mine = (before ?? Promise.resolve()).then(() => ask(run, member));
    const settled = mine.catch(() => {});
    turns.set(app, settled);
    try {
      return result(await mine);
    } finally {
      if (turns.get(app) === settled) turns.delete(app);
    }
  }

  async function ask(run: Run, member: Member): Promise<Reply> {
    const { attachment, process } = member;
    const { action } = run;
    if (attachment.is !== 'attached') {
      const real = realProcessOfMember(member);
      if (real?.is === 'wrapper')
        return failure(action, 'E_WRAPPER', whyNot(action, real), insteadOf(real, process.name));
      const message = `pm2-ops is not attached to ${titleOf(process)} (id ${process.pmId}): ${attachment.reason}`;
      return failure(action, 'E_STATE', message, 'look with: pm2-ops status');
    }
    const withinMs = deadlineMs(action, run.params) + MARGIN_MS;
    const endsMs = performance.now() + TURN_MS;
    run.tell(member, { phase: 'asked' }, withinMs + TURN_MS);
    const watch = run.watch(member);
    try {
      for (;;) {
        const reply = await Promise.race([
          calls.run(process.pmId, action, run.params, withinMs, watch.heard),
          ended(process.pid, withinMs, watch),
        ]);
        if (reply === 'ended') return await tellEnd(action, member, watch.last());
        // Asked by a trigger as well, which is in the middle of it: ours comes after.
        const busy = !reply.ok && reply.code === 'E_BUSY' && declarationOf(action).several.exclusive;
        if (!busy || performance.now() > endsMs) return reply;
        watch.heard({ phase: 'waiting', detail: reply.message });
        await sleep(LOOK_EVERY_MS);
      }
    } finally {
      watch.stop();
    }
  }

  async function tellEnd(action: ActionName, { process }: Member, last: string): Promise<Reply> {
    sweep();
    await refresh();
    const now = fleet.get(process.pmId)?.process;
    const after = !now ? 'PM2 does not list it any more' : `PM2 has it as pid ${now.pid} now (${now.status})`;
    return failure(
      action,
      'E_STATE',
      `pid ${process.pid} of ${titleOf(process)} (id ${process.pmId}) ended in the middle of ${action} (${last}); nothing half written stays behind; ${after}`,
      `why it ended: pm2 logs ${process.pmId} --nostream, ~/.pm2/pm2.log (max_memory_restart?), dmesg (out of memory?)`,
    );
  }
}

/** `all` is about the choice of instances, and not every action has it as a parameter of its own. */
function declared(action: ActionName, { all, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return all === undefined || !('all' in specsOf(action)) ? rest : { ...rest, all };
}

/** One call, over however many processes. */
class Run {
  constructor(
    readonly action: ActionName,
    readonly params: Record<string, unknown>,
    private readonly startedMs: number,
    private readonly send: (progress: RunProgress) => void,
    private readonly folder: string,
  ) {}

  /** @param withinMs the next word of ours comes within so many milliseconds */
  tell({ process }: Member, { phase, detail }: ActionProgress, withinMs?: number, bytes?: number): void {
    this.send({
      action: this.action,
      id: process.pmId,
      name: process.name,
      phase,
      ...(detail === undefined ? {} : { detail }),
      ...(bytes === undefined ? {} : { bytes }),
      ...(withinMs === undefined ? {} : { deadlineMs: Math.ceil(withinMs) }),
      message: [`${titleOf(process)}:${process.pmId}`, phase, bytes === undefined ? '' : megabytes(bytes), detail ?? '']
        .filter(Boolean)
        .join(' '),
      ms: Math.round(performance.now() - this.startedMs),
    });
  }

  /** Passes on what a process tells, and looks itself at the file that it writes while it can tell nothing. */
  watch(member: Member): Watch {
    let current: ActionProgress = { phase: 'asked' };
    let bytes: number | undefined;
    let over = false;
    const heard = (progress: ActionProgress) => {
      current = progress;
      bytes = undefined;
      this.tell(member, progress);
    };
    const look = async () => {
      while (!over) {
        const { file } = current;
        const size = file ? await writtenBytes(member.process.pid, file, this.folder) : undefined;
        if (!over && size !== undefined && size !== bytes && current.file === file) {
          bytes = size;
          if (size > 0) this.tell(member, current, undefined, size);
        }
        await sleep(LOOK_EVERY_MS, undefined, { ref: false });
      }
    };
    void look();
    return {
      heard,
      last: () => [current.phase, bytes === undefined ? '' : megabytes(bytes)].filter(Boolean).join(' '),
      over: () => over,
      stop: () => {
        over = true;
      },
    };
  }
}

interface Watch {
  heard(progress: ActionProgress): void;
  /** What was last known of it. */
  last(): string;
  over(): boolean;
  stop(): void;
}

/** A process that ends gives no answer any more. */
async function ended(pid: number, withinMs: number, watch: Watch): Promise<'ended'> {
  const endsMs = performance.now() + withinMs + MARGIN_MS;
  while (!watch.over() && isRunning(pid) && performance.now() < endsMs) await sleep(LOOK_EVERY_MS);
  return 'ended';
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}

function failure(action: string, code: Failure['code'], message: string, hint: string): Failure {
  return { ok: false, action, code, message, hint };
}
