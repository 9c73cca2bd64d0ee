// The outcome of an attempt to attach: attached, or a stable code, a reason for a person, and when to try again.

import { InspectorError } from './inspector.ts';

/** Stable codes for processes to which the module must not send a signal. */
export type UnfitCode =
  /** No process with this pid runs any more. */
  | 'gone'
  /** The platform's /proc does not tell what the module has to know before a signal. */
  | 'unsupported-platform'
  /** Another program; SIGUSR1 would end it. */
  | 'not-node'
  /** It belongs to another user, or the kernel hides it from us. */
  | 'no-permission'
  /** It runs in another network namespace, such as a container's, so its inspector is out of reach. */
  | 'other-network'
  /** Node has just started and does not handle the signal yet. */
  | 'booting'
  /** Node was told not to handle SIGUSR1 (`--disable-sigusr1`, `--permission`), or has no handler for it. */
  | 'sigusr1-disabled'
  /** The app has its own handler for SIGUSR1, which would be called instead of the inspector. */
  | 'own-sigusr1-handler'
  /** It is stopped, by SIGSTOP or by a native debugger. */
  | 'stopped';

/** Stable codes for attempts that did not succeed. */
export type AttemptCode =
  | UnfitCode
  /** The caller did not want the load any more, so no signal was sent. */
  | 'unwanted'
  /** The module cannot read its signal handlers, and has already sent the only signal that it may send then. */
  | 'signalled-before'
  /** It is the primary of a cluster of its own, and would pass the signal on to its workers. */
  | 'own-cluster'
  /** It was never seen idle; a later attempt does not wait for that. */
  | 'busy'
  /** It was signalled, but its event loop is blocked; it is attached as soon as it answers. */
  | 'blocked'
  /** A debugger holds it at a breakpoint. */
  | 'paused'
  /** Another program listens on the inspector's port. */
  | 'port-taken'
  /** Another module of this user is attaching. */
  | 'lock-held'
  /** Another process answers on the port. */
  | 'wrong-peer'
  /** It runs a version of Node before 20. */
  | 'old-node'
  /** The script threw, or returned something that is no JSON. */
  | 'script-failed'
  /** The guard could not be started, so no signal was sent. */
  | 'no-guard'
  /** The journal could not be written, so no signal was sent. */
  | 'no-journal'
  /** The connection to the inspector broke. */
  | 'connection'
  /** The module is shutting down. */
  | 'closing'
  | 'internal';

export interface Unfit {
  fit: false;
  code: UnfitCode;
  /** For a person, e.g. "not Node (python3.11)". */
  reason: string;
  /** Is another attempt with the same process worthwhile? */
  retry: boolean;
}

export interface Attached {
  ok: true;
  /** What the script's `install` returned, copied through JSON. */
  value: unknown;
  /** How long the attempt took, from the start of its turn until the inspector was closed. */
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
  /** When another attempt is worthwhile; null: never with this process. */
  retryAfterMs: number | null;
}

/** The answer for a process that must not be signalled. */
export function unfit(code: UnfitCode, reason: string, retry = false): Unfit {
  return { fit: false, code, reason, retry };
}

/** The outcome of an attempt that did not succeed. */
export function notAttached(code: AttemptCode, reason: string, retryAfterMs: number | null): NotAttached {
  return { ok: false, code, reason, retryAfterMs };
}

/** Carries a NotAttached out of nested calls. */
export class AttemptFailed extends Error {
  readonly outcome: NotAttached;
  constructor(code: AttemptCode, reason: string, retryAfterMs: number | null) {
    super(reason);
    this.name = 'AttemptFailed';
    this.outcome = notAttached(code, reason, retryAfterMs);
  }
}

/** When another attempt is worthwhile. */
export const RETRY_SOON_MS = 250;
export const RETRY_LATER_MS = 2000;
export const RETRY_RARELY_MS = 30_000;

/** The outcome for a process whose event loop is blocked. */
export function blocked(): NotAttached {
  return notAttached('blocked', 'its event loop is blocked; it is attached as soon as it answers', RETRY_LATER_MS);
}

/** The outcome while the module shuts down. */
export function closing(): AttemptFailed {
  return new AttemptFailed('closing', 'the module is going down', null);
}

/** Fails an attempt as `blocked` if the app does not answer in time, because then its event loop does not turn. */
export async function orBlocked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof InspectorError && error.code === 'timeout') throw failed(blocked());
    throw error;
  }
}

/** Turns an outcome into an error to throw. */
export function failed({ code, reason, retryAfterMs }: NotAttached): AttemptFailed {
  return new AttemptFailed(code, reason, retryAfterMs);
}

/** Turns the error that has ended an attempt into its outcome. */
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
