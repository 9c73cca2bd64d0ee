// The actions that every agent has at hand. Those of lazy.ts are compiled on first use.
import type { Actions } from '../context.ts';
import { drain } from './drain.ts';
import { disableKeepAlive, enableKeepAlive } from './keepAlive.ts';
import { opsStatus } from './opsStatus.ts';
import { resume } from './resume.ts';

export const eager = {
  'disable-keepalive': disableKeepAlive,
  'enable-keepalive': enableKeepAlive,
  drain,
  resume,
  'ops-status': opsStatus,
} satisfies Partial<Actions>;
