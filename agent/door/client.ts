// The agent's part of the door: hands the app's sockets to the module when it asks. Its code is compiled then.
import type { Reply } from '../../contract/reply.ts';
import type { DrainEngine } from '../../drain/index.ts';
import { failureOf } from '../failure.ts';

export interface DoorClient {
  /** @param path the module's Unix socket. Settles in any case. */
  handOver(path: string): Promise<Reply>;
  /** Takes out what that has put into the process. */
  leave(): void;
}

export function createDoorClient(engine: Pick<DrainEngine, 'sockets'>): DoorClient {
  let compiled: typeof import('./lazy.ts') | undefined;

  return {
    async handOver(path) {
      const startedMs = performance.now();
      try {
        compiled ??= require('./lazy.ts') as typeof import('./lazy.ts');
        const addresses = await compiled.handOver(path, engine.sockets());
        const ms = Math.round(performance.now() - startedMs);
        return { ok: true, action: 'door', pid: process.pid, ms, addresses } as Reply;
      } catch (error) {
        return failureOf('door', error);
      }
    },
    leave: () => compiled?.leaveDoor(),
  };
}
