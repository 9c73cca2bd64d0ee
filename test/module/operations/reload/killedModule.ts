// Kills the module at a point of a reload, and waits until the next one has put everything right.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import type { RunResult } from '../../../../testkit/run.ts';
import { moduleStatus } from '../../../../testkit/status.ts';
import { waitFor } from '../../../../testkit/wait-for.ts';

interface Packet {
  event?: string;
  message?: string;
  kind?: string;
  state?: string;
}

/** Is a point of the reload reached, as PM2's bus shows it? `id` is of the process that the packet comes from. */
export type Point = (event: string, data: Packet, id: number) => boolean;

/** The reload has told of it. */
export function told(message: RegExp): Point {
  return (event, data) => event === 'pm2-ops:progress' && message.test(data.message ?? '');
}

/** One of these instances is in that state. */
export function isIn(ids: readonly number[], state: string): Point {
  return (event, data, id) =>
    event === 'pm2-ops:agent' && data.kind === 'state' && data.state === state && ids.includes(id);
}

/** One of these instances has ended. */
export function hasEnded(ids: readonly number[]): Point {
  return (event, data, id) => event === 'process:event' && data.event === 'exit' && ids.includes(id);
}

/**
 * @param app its instances serve before, and have to serve afterwards, with nothing beside them
 * @param point of the reload, for messages
 */
export async function killModuleAt(
  pm2: Pm2,
  app: { name: string; ids: readonly number[] },
  [point, isReached]: [string, Point],
  reload: () => Promise<RunResult>,
): Promise<void> {
  const module = await pm2.process('pm2-ops');
  let reached = false;
  const bus = await pm2.bus((event, packet) => {
    // PM2's own have their fields in the packet itself.
    const { data = packet, process: from } = packet;
    const id = (from as { pm_id?: number } | undefined)?.pm_id ?? -1;
    if (reached || !isReached(event, (data ?? {}) as Packet, id)) return;
    reached = true;
    process.kill(module.pid, 'SIGKILL');
  });
  const { code } = await reload();
  bus.close();
  assert.ok(reached, `the module was not killed when it ${point}`);
  assert.notEqual(code, 0, point);
  await waitFor(
    async () => {
      const { processes } = await moduleStatus(pm2);
      assert.deepEqual(
        processes.filter(({ name }) => name === app.name).map(({ id, state }) => `${id} ${state}`),
        app.ids.map((id) => `${id} serving`),
      );
      return !existsSync(join(pm2.home, 'pm2-ops', 'reloads.json'));
    },
    { what: `all to be as before a module that ${point}`, timeoutMs: 60_000, context: () => pm2.logs() },
  );
}
