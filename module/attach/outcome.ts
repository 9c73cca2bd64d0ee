// How an attempt to attach ends: attached, or a stable code, the reason for a person, and when to try again.

import { InspectorError } from './inspector.ts';

/** Stable codes of processes that cannot be attached, now or ever. */
export type UnfitCode =
  /** Nothing with this pid lives any more. */
  | 'gone'
  /** Not a platform whose /proc tells what has to be known before a signal. */
  | 'unsupported-platform'
  /** Another program; SIGUSR1 would end it. */
  | 'not-node'
  /** Another user's process, or one that the kernel hides from us. */
  | 'no-permission'
  /** A container's process, whose ports are not ours. */
  | 'other-network'
  /** Node, but so young that it cannot take the signal yet. */
  | 'booting'
  /** Node told not to listen to SIGUSR1 (`--disable-sigusr1`, `--permission`), or without its handler for it. */
  | 'sigusr1-disabled'
  /** The app has its own handler for SIGUSR1, which would be called instead of the inspector. */
  | 'own-sigusr1-handler'
  /** Stopped (SIGSTOP, or a native debugger holds it). */
  | 'stopped';

/** Stable codes of attempts that were made and did not succeed. */
export type AttemptCode =
  | UnfitCode
  /** Not signalled: the caller did not want it any more. */
  | 'unwanted'
  /** Its signal handlers cannot be read and the one signal it may get was sent before. */
  | 'signalled-before'
  /** The primary of a cluster of its own: its workers would be signalled, too. */
  | 'own-cluster'
  /** Never seen idle; a later attempt does not wait for that. */
  | 'busy'
  /** Signalled, and its event loop has been blocked since; it is attached as soon as it answers. */
  | 'blocked'
  /** Somebody's debugger holds it at a breakpoint. */
  | 'paused'
  /** Another program listens on the inspector's port. */
  | 'port-taken'
  /** Another module of this user is attaching. */
  | 'lock-held'
  /** The process behind the port is another one. */
  | 'wrong-peer'
  /** Older than Node 20. */
  | 'old-node'
  /** The script threw, or returned what is no JSON. */
  | 'script-failed'
  /** The guard could not be started, so no signal was sent. */
  | 'no-guard'
  /** The journal could not be written, so no signal was sent. */
  | 'no-journal'
  /** The inspector's connection broke. */
  | 'connection'
  /** The module is going down. */
  | 'closing'
  | 'internal';

export interface Unfit {
  fit: false;
  code: UnfitCode;
  /** For a person, e.g. "not Node (python3.11)". */
  reason: string;
  /** False when the same process will never fit. */
  retry: boolean;
}

export interface Attached {
  ok: true;
  /** What the script's `install` returned, through JSON. */
  value: unknown;
  /** How long the attempt took, from its turn on until the inspector was closed again. */
  ms: number;
  /** How long the script held the process's event loop. */
  heldMs: number;
  /** The inspector's TCP port. */
  port: number;
}

export interface NotAttached {
  ok: false;
  code: AttemptCode;
  reason: string;
  /** Milliseconds after which another attempt makes sense; null: not for this process, whatever time passes. */
  retryAfterMs: number | null;
}

/** A process that is not to be signalled. */
export function unfit(code: UnfitCode, reason: string, retry = false): Unfit {
  return { fit: false, code, reason, retry };
}

/** An attempt that did not succeed. */
export function notAttached(code: AttemptCode, reason: string, retryAfterMs: number | null): NotAttached {
  return { ok: false, code, reason, retryAfterMs };
}

/** Carries a NotAttached out of the depth of an attempt. */
export class AttemptFailed extends Error {
  readonly outcome: NotAttached;
  constructor(code: AttemptCode, reason: string, retryAfterMs: number | null) {
    super(reason);
    this.name = 'AttemptFailed';
    this.outcome = notAttached(code, reason, retryAfterMs);
  }
}

/** When another attempt makes sense. */
export const RETRY_SOON_MS = 250;
export const RETRY_LATER_MS = 2000;
export const RETRY_RARELY_MS = 30_000;

/** The event loop of the process does not turn. */
export function blocked(): NotAttached {
  return notAttached('blocked', 'its event loop is blocked; it is attached as soon as it answers', RETRY_LATER_MS);
}

/** The module is going down. */
export function closing(): AttemptFailed {
  return new AttemptFailed('closing', 'the module is going down', null);
}

/** Fails an attempt as `blocked` when the app does not answer within the deadline: its event loop does not turn then. */
export async function orBlocked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof InspectorError && error.code === 'timeout') throw failed(blocked());
    throw error;
  }
}

/** An outcome as an error, to leave an attempt with. */
export function failed({ code, reason, retryAfterMs }: NotAttached): AttemptFailed {
  return new AttemptFailed(code, reason, retryAfterMs);
}

/** What an error means that has ended an attempt. */
export function asNotAttached(error: unknown): NotAttached {
  if (error instanceof AttemptFailed) return error.outcome;
  if (error instanceof InspectorError) {
    return error.code === 'exception'
      ? notAttached('script-failed', `the script failed: ${error.message}`, RETRY_RARELY_MS)
      : notAttached('connection', `the inspector's connection failed: ${error.message}`, RETRY_LATER_MS);
  }
  const text = error instanceof Error ? error.stack : String(error);
  return notAttached('internal', `unexpected: ${text}`, RETRY_RARELY_MS);
}
