// The clients as a process of their own, so that their clock is not the benchmark's.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT } from '../../testkit/folders.ts';
import type { Group, Order, Reply, Seen } from './seen.ts';

export interface Clients {
  start(group: Group): Promise<void>;
  /** What they have seen so far. */
  look(name: string): Promise<Seen>;
  /** The same, and the count begins anew. */
  collect(name: string): Promise<Seen>;
  /** No new requests; what was seen when all have their answer or have given up. */
  stop(name: string): Promise<Seen>;
  end(): void;
}

export async function startClients(): Promise<Clients> {
  const child = fork(join(ROOT, 'bench', 'reload', 'clientsProcess.ts'), {
    execArgv: ['--import', 'tsx'],
    env: cleanEnvironment(),
    cwd: ROOT,
  });
  await once(child, 'spawn');
  const waiting = new Map<number, (seen: Seen) => void>();
  let orders = 0;
  child.on('message', ({ id, seen }: Reply) => {
    waiting.get(id)?.(seen);
    waiting.delete(id);
  });
  child.once('exit', (code) => {
    if (waiting.size > 0) throw new Error(`the clients' process ended with ${code}`);
  });
  const tell = (order: Omit<Order, 'id'>) =>
    new Promise<Seen>((resolve) => {
      orders += 1;
      waiting.set(orders, resolve);
      child.send({ ...order, id: orders });
    });
  return {
    start: async (group) => void (await tell({ do: 'start', group } as Omit<Order, 'id'>)),
    look: (name) => tell({ do: 'look', name } as Omit<Order, 'id'>),
    collect: (name) => tell({ do: 'collect', name } as Omit<Order, 'id'>),
    stop: (name) => tell({ do: 'stop', name } as Omit<Order, 'id'>),
    end: () => void child.kill('SIGKILL'),
  };
}
