// Performs actions: each one replies by its deadline, and runs only once at a time.
import { type ActionName, deadlineMs, type FieldsOf, type ParamsOf } from '../contract/actions/index.ts';
import { Refusal } from '../contract/errors.ts';
import { type ParamValues, parseParams } from '../contract/params.ts';
import type { Reply } from '../contract/reply.ts';
import { actionNamed } from './actions/index.ts';
import type { Context } from './context.ts';
import { failureOf } from './failure.ts';

/** The part of the context that the performer itself knows. */
type Own = Pick<Context, 'isRunning' | 'onEnd'>;

export interface Performer {
  /**
   * Always settles, and never later than the action's deadline.
   * @param raw its parameters, not validated yet
   * @param contextOf called when the action begins; may throw a Refusal
   */
  perform(action: ActionName, raw: unknown, contextOf: () => Omit<Context, keyof Own>): Promise<Reply>;
  isRunning(action: ActionName): boolean;
  /** Ends every action that can be ended early. */
  endAll(why: Refusal): void;
}

/** @param onBegin called when an action begins, with its validated parameters */
export function createPerformer(onBegin: (action: ActionName, params: ParamValues) => void): Performer {
  const running = new Set<ActionName>();
  /** By action: what ends it early. */
  const stops = new Map<ActionName, (why: Refusal) => void>();
  const isRunning = (action: ActionName) => running.has(action);
  return {
    perform,
    isRunning,
    endAll: (why) => {
      for (const action of stops.keys()) end(action, why);
    },
  };

  async function perform<Name extends ActionName>(
    action: Name,
    raw: unknown,
    contextOf: () => Omit<Context, keyof Own>,
  ): Promise<Reply> {
    const startedMs = performance.now();
    try {
      const context = contextOf();
      const fields = await inTime(action, parseParams(action, raw), {
        ...context,
        isRunning,
        onEnd: (stop) => {
          stops.set(action, stop);
          return () => void stops.delete(action);
        },
      });
      return { ok: true, action, pid: process.pid, ms: Math.round(performance.now() - startedMs), ...fields };
    } catch (error) {
      return failureOf(action, error);
    }
  }

  async function inTime<Name extends ActionName>(
    action: Name,
    params: ParamsOf<Name>,
    context: Context,
  ): Promise<FieldsOf<Name>> {
    if (running.has(action)) {
      throw new Refusal(
        'E_BUSY',
        `${action} is already running in this instance`,
        'wait for its reply, then ask again',
      );
    }
    running.add(action);
    onBegin(action, params);
    const work = begin(action, params, context).finally(() => running.delete(action));
    const withinMs = deadlineMs(action, params);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const what = `${action} did not finish within ${withinMs} ms`;
        const goesOn = stops.get(action) === undefined;
        const hint = goesOn
          ? 'it goes on; look with ops-status'
          : 'it was stopped; look with ops-status, then ask again';
        const why = new Refusal('E_TIMEOUT', what, hint);
        reject(why);
        end(action, why);
      }, withinMs);
      timer.unref();
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  function end(action: ActionName, why: Refusal): void {
    try {
      stops.get(action)?.(why);
    } catch {
      // The other actions have to end even if this one cannot.
    }
  }
}

/** Begins an action. It is `async`, so that an action that fails to compile rejects like any other. */
async function begin<Name extends ActionName>(
  action: Name,
  params: ParamsOf<Name>,
  context: Context,
): Promise<FieldsOf<Name>> {
  return actionNamed(action)(params, context);
}
