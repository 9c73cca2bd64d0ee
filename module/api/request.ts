// The commands of the module: parameters, progress and reply of each. PM2's trigger, the command line and later adapters translate
// into these requests and get these replies.
import type { AlertsProgress, AlertsReply, AlertsRequest, AlertsTestReply } from '../../contract/alerts.ts';
import type {
  DoctorReply,
  ProcessStatus,
  ReloadProgress,
  ReloadRefused,
  ReloadReply,
  ReplOpened,
  ReplQuestion,
  RunProgress,
  RunReply,
  RunRequest,
  StackReply,
  StatusReply,
} from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import type { WhyReply, WhyRequest } from '../../contract/exits.ts';
import type { RulesReply } from '../../contract/rules.ts';
import type { ReloadRequest } from '../operations/reload/context.ts';

/** A pm_id, an app's name, `name:pm_id`, `namespace:name`, or `all`. */
export interface Target {
  target: string;
}

/** Who asks, which decides how much a reply contains. */
export interface WhyAsked extends WhyRequest {
  by: 'trigger' | 'command';
}

/** The processes that an `attach` or a `detach` has changed, with their state after it. */
export interface AttachmentReply<Action extends 'attach' | 'detach'> {
  ok: true;
  action: Action;
  processes: ProcessStatus[];
}

/** One command: its parameters, its progress, and its reply. */
interface Command<Params, Reply, Progress = never> {
  params: Params;
  reply: Reply;
  progress: Progress;
}

export interface Commands {
  status: Command<Record<string, never>, StatusReply>;
  attach: Command<Target, AttachmentReply<'attach'>>;
  detach: Command<Target, AttachmentReply<'detach'>>;
  stack: Command<Target, StackReply>;
  doctor: Command<Record<string, never>, DoctorReply>;
  why: Command<WhyAsked, WhyReply>;
  rules: Command<Record<string, never>, RulesReply>;
  reload: Command<ReloadRequest, ReloadReply | ReloadRefused, ReloadProgress>;
  /** An action of managed processes. */
  run: Command<RunRequest, RunReply, RunProgress>;
  repl: Command<ReplQuestion, ReplOpened>;
  alerts: Command<AlertsRequest, AlertsReply | AlertsTestReply, AlertsProgress>;
}

export type CommandName = keyof Commands;

/** One of the requests, told apart by `command`. */
export type Request = { [Name in CommandName]: { command: Name; params: Commands[Name]['params'] } }[CommandName];
export type RequestFor<Name extends CommandName> = Extract<Request, { command: Name }>;

export type ReplyTo<Name extends CommandName> = Commands[Name]['reply'] | Failure;
export type ProgressOf<Name extends CommandName> = Commands[Name]['progress'];

/** Any reply, and any progress. */
export type AnyReply = ReplyTo<CommandName>;
export type AnyProgress = ProgressOf<CommandName>;
