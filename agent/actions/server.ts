// Refuses actions that need a server, listening or drained, if there is none.

import { Refusal } from '../../contract/errors.ts';
import type { DrainEngine } from '../../drain/index.ts';
import { listensElsewhere } from '../../shared/linux/listensElsewhere.ts';

/** @throws {Refusal} E_NO_SERVER when the engine knows no server in this process */
export function requireServer(engine: DrainEngine, action: string): void {
  if (engine.state() !== 'no-server') return;
  const address = listensElsewhere('self');
  throw address === undefined
    ? new Refusal(
        'E_NO_SERVER',
        `this process listens on nothing, so there is nothing to ${action}`,
        'look with ops-status; if the server is in a child process, let PM2 start that one',
      )
    : new Refusal(
        'E_NO_SERVER',
        `${noServerHere(address)}, which is why nobody can ${action} it from here`,
        'listen in the main thread and hand the work to the worker threads, or let PM2 start the file that listens',
      );
}

/** Why there is no server to act on: none listens in the main thread of this process. */
export function whyNoServer(): string {
  const address = listensElsewhere('self');
  return address === undefined ? 'it listens on nothing' : noServerHere(address);
}

function noServerHere(address: string): string {
  return `its server on ${address} is in a worker thread or in native code, not in the main thread`;
}
