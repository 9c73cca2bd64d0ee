// Validates an action's name and its parameters, both typed by a person, and makes a request of them. It is strict: a mistyped
// parameter that is silently ignored could mean a reload without its health check.
import * as z from 'zod/mini';
import { REPL, RUN } from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import { NAME } from '../../contract/names.ts';
import { readTarget } from '../../contract/target.ts';
import { VERSION } from '../../contract/version.ts';
import { parseReloadParams } from '../operations/reload/reloadParams.ts';
import { parseWhyParams } from '../recorder/whyParams.ts';
import type { Request } from './request.ts';

/** The commands that PM2 lists as actions of the module. */
export const TRIGGERED = ['status', 'attach', 'detach', 'stack', 'why', 'doctor', 'rules', 'alerts', 'reload'] as const;

const short = z.string().check(z.maxLength(1_000));
const runs = z.object({ action: short, target: short, params: z.record(z.string(), z.unknown()) });
const tests = z.strictObject({ test: z.optional(z.boolean()) });
const replQuestions = z.object({ target: short, user: short, uid: z.int() });

/** Who asks. It decides which requests are allowed and how hints are worded. */
export interface Asker {
  by: 'trigger' | 'command';
  /** Is there an app with exactly this name? */
  isName(text: string): boolean;
}

/** @returns the request, or a failure that says what is wrong with it */
export function readRequest(action: string, raw: unknown, { by, isName }: Asker): Request | Failure {
  if (by === 'command' && action === RUN) {
    const params = runs.safeParse(raw).data;
    return params ? { command: 'run', params } : notUnderstood(action);
  }
  if (by === 'command' && action === REPL) {
    const params = replQuestions.safeParse(raw).data;
    return params ? { command: 'repl', params } : notUnderstood(action);
  }
  const command = TRIGGERED.find((name) => name === action);
  if (!command) return wrong(action, `there is no action "${action}"`, `there are ${TRIGGERED.join(', ')}`);
  if (command === 'reload') {
    const params = parseReloadParams(raw);
    if (typeof params !== 'string') return { command, params: { ...params, by } };
    return wrong(command, params, `for example: pm2 trigger ${NAME} reload '{"app":"web"}'`);
  }
  if (command === 'why') {
    const params = parseWhyParams(raw, isName, Date.now());
    if (typeof params !== 'string') return { command, params: { ...params, by } };
    return wrong(command, params, `for example: pm2 trigger ${NAME} why '{"target":"web","last":3}'`);
  }
  if (command === 'alerts') {
    const test = readTest(raw);
    if (test !== undefined) return { command, params: { test } };
    return wrong(
      command,
      `not understood: ${JSON.stringify(raw)}`,
      `for example: pm2 trigger ${NAME} alerts test=true`,
    );
  }
  const target = readTarget(raw, isName);
  if (target === undefined) {
    const hint = `name one app or id: pm2 trigger ${NAME} ${command} app=web`;
    return wrong(command, `not understood: ${JSON.stringify(raw)}`, hint);
  }
  return command === 'status' || command === 'doctor' || command === 'rules'
    ? { command, params: {} }
    : { command, params: { target } };
}

/** Whether `alerts` is to send a test: `test=true`, or `{ test: true }`. @returns undefined if it is neither that nor nothing */
function readTest(raw: unknown): boolean | undefined {
  if (raw === undefined || raw === null || raw === '') return false;
  if (raw === 'test=true') return true;
  const given = tests.safeParse(raw).data;
  return given && given.test === true;
}

function notUnderstood(action: string): Failure {
  return wrong(action, 'the question is not understood', `use the command of version ${VERSION}`);
}

function wrong(action: string, message: string, hint: string): Failure {
  return { ok: false, action, code: 'E_PARAMS', message, hint };
}
