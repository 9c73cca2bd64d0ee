// The actions of the module's own process: `pm2 trigger pm2-ops status`, `attach`, `detach`, `reload`; the `pm2-ops` command asks
// the same over the bus, exactly once each.
import { setTimeout as sleep } from 'node:timers/promises';
import tx2 from 'tx2';
import { appOf } from '../../contract/app.ts';
import {
  COMMAND_REPLY,
  COMMAND_TOPIC,
  type DoctorReply,
  PROGRESS,
  type ProcessStatus,
  REPL,
  type ReloadProgress,
  type ReloadRefused,
  type ReloadReply,
  type ReplOpened,
  type ReplQuestion,
  RUN,
  type RunReply,
  type RunRequest,
  type StackReply,
  type StatusReply,
} from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import { NAME } from '../../contract/names.ts';
import { readTarget } from '../../contract/target.ts';
import { REPLY_AFTER_MS } from '../../contract/trigger.ts';
import { VERSION } from '../../contract/version.ts';
import { listensElsewhere } from '../../shared/linux/listensElsewhere.ts';
import { printableAsJson } from '../../shared/text/printable.ts';
import { redactTexts } from '../../shared/text/redact.ts';
import { noteOn } from '../../shared/wrapperAdvice.ts';
import type { Keeper } from '../agents/attachLoop.ts';
import type { BadMessages } from '../agents/badMessages.ts';
import type { Attacher } from '../attach/index.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { realProcessOfMember } from '../fleet/realProcess.ts';
import type { Responsiveness } from '../fleet/responsiveness.ts';
import { nobody, processesOf } from '../fleet/target.ts';
import type { ActionRuns } from '../operations/actionRuns.ts';
import { parseReloadParams } from '../operations/reload/reloadParams.ts';
import type { RollingReload } from '../operations/reload/rollingReload.ts';
import { lookInto } from '../operations/stack.ts';
import type { Daemon } from '../pm2/daemon.ts';
import type { Settings } from '../pm2/settings.ts';
import { type CommandRequest, readCommandRequest, readReplQuestion, readRun } from './commandRequest.ts';

type ModuleReply =
  | StatusReply
  | ReloadReply
  | ReloadRefused
  | RunReply
  | StackReply
  | ReplOpened
  | DoctorReply
  | { ok: boolean; action: string; [field: string]: unknown };

interface Parts {
  fleet: Fleet;
  attacher: Attacher;
  responsiveness: Responsiveness;
  keeper: Keeper;
  settings: Settings;
  daemon: Daemon;
  reloads: RollingReload;
  runs: ActionRuns;
  /** Examines everything. */
  doctor(): Promise<DoctorReply>;
  /** Is that process in the middle of a heap dump? */
  isDumping(pid: number): boolean;
  /** Opens a REPL. */
  repl(question: ReplQuestion): Promise<ReplOpened | Failure>;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  bad: Pick<BadMessages, 'of'>;
}

/** Lists the module's actions with PM2 and answers the command. */
export function createModuleActions(parts: Parts): void {
  const verbs: Record<string, (target: string) => Promise<ModuleReply>> = {
    status: () => status(parts),
    attach: (target) => attach(parts, target),
    detach: (target) => detach(parts, target),
    stack: (target) => stack(parts, target),
    doctor: () => parts.doctor(),
  };
  const names = [...Object.keys(verbs), 'reload'];
  const answer = async (action: string, raw: unknown, nonce?: string): Promise<ModuleReply> =>
    redactTexts(await decide(action, raw, nonce));
  const decide = async (action: string, raw: unknown, nonce?: string): Promise<ModuleReply> => {
    try {
      if (action === 'reload') return await reload(parts, raw, nonce);
      const target = readTarget(raw, (name) => parts.fleet.members().some(({ process }) => process.name === name));
      const verb = Object.hasOwn(verbs, action) ? verbs[action] : undefined;
      if (!verb) return failure(action, 'E_PARAMS', `there is no action "${action}"`, `there are ${names.join(', ')}`);
      if (target === undefined) {
        return failure(
          action,
          'E_PARAMS',
          `not understood: ${JSON.stringify(raw)}`,
          `name one app or id: pm2 trigger ${NAME} ${action} app=web`,
        );
      }
      return await verb(target);
    } catch (error) {
      return failure(action, 'E_INTERNAL', (error as Error).message, `look at: pm2 logs ${NAME}`);
    }
  };

  for (const action of names) {
    tx2.action(action, (param: unknown, reply: (data: object) => void) => {
      void Promise.all([answer(action, param), sleep(REPLY_AFTER_MS)]).then(([outcome]) =>
        reply(printableAsJson(outcome)),
      );
    });
  }
  tx2.metric({
    name: 'attached',
    value: () => {
      const members = parts.fleet.members();
      return `${members.filter(({ attachment }) => attachment.is === 'attached').length}/${members.length}`;
    },
  });

  /** An action of the managed processes, which PM2 does not list for the module: only the command asks here for it. */
  const run = (request: RunRequest, nonce: string): Promise<ModuleReply> =>
    parts.runs
      .run(request, (progress) => process.send?.({ type: PROGRESS, data: { ...redactTexts(progress), nonce } }))
      .then(redactTexts<ModuleReply>);

  process.on('message', (packet: { topic?: unknown; data?: unknown } | null) => {
    const request = packet?.topic === COMMAND_TOPIC ? readCommandRequest(packet.data) : undefined;
    if (!request) return;
    const { nonce, action } = request;
    void commanded(request)
      .catch((error: Error) => failure(action, 'E_INTERNAL', error.message, `look at: pm2 logs ${NAME}`))
      .then((reply) => process.send?.({ type: COMMAND_REPLY, data: { nonce, reply } }));
  });

  async function commanded({ nonce, action, params }: CommandRequest): Promise<ModuleReply> {
    if (action !== RUN && action !== REPL) return answer(action, params, nonce);
    const request = action === RUN ? readRun(params) : undefined;
    if (request) return run(request, nonce);
    const question = action === REPL ? readReplQuestion(params) : undefined;
    if (question) return parts.repl(question);
    return failure(action, 'E_PARAMS', 'the question is not understood', `use the command of version ${VERSION}`);
  }
}

async function status({ fleet, settings, responsiveness, isDumping, refresh, bad }: Parts): Promise<StatusReply> {
  await refresh();
  const blocked = await responsiveness.blocked(fleet.members());
  return {
    ok: true,
    action: 'status',
    version: VERSION,
    settings,
    processes: fleet.members().map((member) => ({
      ...row(member, fleet.leaves, blocked.get(member.process.pid)),
      ...(isDumping(member.process.pid) ? { dumping: true as const } : {}),
      ...(bad.of(member) > 0 ? { badMessages: bad.of(member) } : {}),
    })),
  };
}

async function stack({ fleet, attacher, refresh }: Parts, target: string): Promise<ModuleReply> {
  await refresh();
  return lookInto(fleet, attacher, target);
}

async function attach({ fleet, keeper, refresh }: Parts, target: string): Promise<ModuleReply> {
  await refresh();
  const members = processesOf(fleet, target);
  if (members.length === 0) return failure('attach', 'E_PARAMS', ...nobody(fleet, target));
  keeper.retry(members);
  return { ok: true, action: 'attach', processes: members.map((member) => row(member, fleet.leaves)) };
}

async function detach({ fleet, keeper, refresh }: Parts, target: string): Promise<ModuleReply> {
  await refresh();
  const members = processesOf(fleet, target);
  if (members.length === 0) return failure('detach', 'E_PARAMS', ...nobody(fleet, target));
  await keeper.detach(members);
  return { ok: true, action: 'detach', processes: members.map((member) => row(member, fleet.leaves)) };
}

/** @param nonce of the command that asked: its progress lines carry it */
async function reload({ reloads }: Parts, raw: unknown, nonce?: string): Promise<ModuleReply> {
  const params = parseReloadParams(raw);
  if (typeof params === 'string') {
    return failure('reload', 'E_PARAMS', params, `for example: pm2 trigger ${NAME} reload '{"app":"web"}'`);
  }
  const by = nonce === undefined ? 'trigger' : 'command';
  return reloads.reload({ ...params, by }, (progress: ReloadProgress) => {
    process.send?.({ type: PROGRESS, data: { ...redactTexts(progress), nonce } });
  });
}

function row(member: Member, leaves: Fleet['leaves'], blockedMs?: number): ProcessStatus {
  const { process, attachment, state, graceful, kept } = member;
  const lastExit = leaves.get(appOf(process));
  const real = realProcessOfMember(member);
  const elsewhere = state === 'no-server' && !real ? listensElsewhere(process.pid) : undefined;
  return {
    id: process.pmId,
    name: process.name,
    namespace: process.namespace,
    pid: process.pid,
    mode: process.mode,
    status: process.status,
    attached: attachment.is === 'attached',
    attachment: attachment.is,
    ...(attachment.is === 'attached'
      ? { agent: attachment.version }
      : { code: attachment.code, reason: attachment.reason }),
    state: blockedMs !== undefined ? 'blocked' : (real?.is ?? state),
    ...(blockedMs === undefined ? {} : { blockedMs }),
    ...(graceful === undefined ? {} : { graceful }),
    ...(lastExit === undefined ? {} : { lastExit }),
    ...(kept.length > 0 ? { kept } : {}),
    ...(real?.is === 'wrapper' ? { wrapper: true as const } : {}),
    ...(real ? { real: noteOn(real) } : {}),
    ...(elsewhere === undefined ? {} : { listensElsewhere: elsewhere }),
  };
}

function failure(action: string, code: string, message: string, hint: string): ModuleReply {
  return { ok: false, action, code, message, hint };
}
