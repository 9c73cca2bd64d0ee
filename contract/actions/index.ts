// The actions that every managed process answers.
import { action as cpuProfile } from './cpuProfile.ts';
import type { Action, ParamSpec, ParamSpecs, Several } from './declaration.ts';
import { action as disableKeepalive } from './disableKeepalive.ts';
import { action as drain } from './drain.ts';
import { action as enableKeepalive } from './enableKeepalive.ts';
import { action as gc } from './gc.ts';
import { action as heapdump } from './heapdump.ts';
import { action as heapProfile } from './heapProfile.ts';
import { action as leakReport } from './leakReport.ts';
import { action as opsStatus } from './opsStatus.ts';
import { action as report } from './report.ts';
import { action as resume } from './resume.ts';

/** Every action by its name, in the order in which `pm2 show` lists them. */
export const ACTIONS = {
  heapdump,
  'disable-keepalive': disableKeepalive,
  'enable-keepalive': enableKeepalive,
  drain,
  resume,
  'ops-status': opsStatus,
  'cpu-profile': cpuProfile,
  'heap-profile': heapProfile,
  'leak-report': leakReport,
  gc,
  report,
};

export type ActionName = keyof typeof ACTIONS;

export const ACTION_NAMES = Object.keys(ACTIONS) as [ActionName, ...ActionName[]];

type SpecsOf<Name extends ActionName> = (typeof ACTIONS)[Name]['params'];

/** The parameters of an action after validation: every one is present. */
export type ParamsOf<Name extends ActionName> = {
  [Param in keyof SpecsOf<Name>]: SpecsOf<Name>[Param] extends { type: 'boolean' } ? boolean : number;
};

/** The fields of an action's reply, beside `ok`, `action`, `pid` and `ms`. */
export type FieldsOf<Name extends ActionName> = NonNullable<(typeof ACTIONS)[Name]['reply']>;

const EVERY_IN_TURN: Several = { takes: 'every', order: 'in-turn' };

/** What happens if a person asks an app by its name for an action. */
export function severalOf(action: ActionName): Several {
  const declared: Action<ParamSpecs, object> = ACTIONS[action];
  return declared.several ?? EVERY_IN_TURN;
}

/** The parameters that an action declares, by their names. */
export function specsOf(action: ActionName): Readonly<Record<string, ParamSpec>> {
  return ACTIONS[action].params;
}

/** Within which time an action has replied, including the time that its parameters ask for. */
export function deadlineMs(action: ActionName, params: Record<string, unknown>): number {
  let sumMs = ACTIONS[action].deadlineMs;
  for (const [name, { type, default: standard }] of Object.entries(specsOf(action))) {
    const value = Number(params[name] ?? standard);
    if (type !== 'boolean' && value > 0) sumMs += type === 'seconds' ? value * 1000 : value;
  }
  return sumMs;
}
