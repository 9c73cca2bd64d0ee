// Some actions need something to act on: a server that listens, or one that was drained.
import type { DrainEngine } from '../../../lifecycle/drain/index.ts';
import { Refusal } from '../refusal.ts';

/** @throws {Refusal} E_NO_SERVER when this process has no server that we know of */
export function requireServer(engine: DrainEngine, action: string): void {
  if (engine.state() !== 'no-server') return;
  throw new Refusal(
    'E_NO_SERVER',
    `this process listens on nothing, so there is nothing to ${action}`,
    'look with ops-status; if the server is in a child process, let PM2 start that one',
  );
}
