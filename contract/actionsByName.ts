// What an action does with the instances of an app when it is asked by the app's name. PM2's own trigger sends it to
// every instance at once; the command line and whoever else goes through the module gets this.
import type { ActionName } from './protocol.ts';

export interface ByName {
  /** Which instances: every one, or the one with the largest heap. `all` makes it every one. */
  takes: 'every' | 'largest';
  /** Several of them one after the other by rising id, or at once. */
  order: 'in-turn' | 'at-once';
  /** One at a time for an app, however many ask: the others wait for their turn. */
  exclusive?: boolean;
}

export const BY_NAME: Record<ActionName, ByName> = {
  heapdump: { takes: 'largest', order: 'in-turn', exclusive: true },
  'disable-keepalive': { takes: 'every', order: 'at-once' },
  'enable-keepalive': { takes: 'every', order: 'at-once' },
  // In turn: whether the next one may go depends on the one before.
  drain: { takes: 'every', order: 'in-turn' },
  resume: { takes: 'every', order: 'in-turn' },
  'ops-status': { takes: 'every', order: 'at-once' },
  // Starting a CPU profile stops a process for a moment: not all of an app at once.
  'cpu-profile': { takes: 'largest', order: 'in-turn' },
  'heap-profile': { takes: 'largest', order: 'at-once' },
  'leak-report': { takes: 'largest', order: 'at-once' },
  gc: { takes: 'every', order: 'in-turn' },
  report: { takes: 'every', order: 'in-turn' },
};
