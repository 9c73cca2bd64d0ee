// Idle apps under a daemon of our own, half of them in fork mode and half workers of one cluster app.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../../testkit/folders.ts';
import { get } from '../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import type { Pm2Process } from '../../testkit/pm2Versions.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

/** An idle app's boot is over this long after its first idle moment, lazy compilation and all. */
const SETTLE_MS = 1_500;

export interface IdleFleet {
  pm2: Pm2;
  /** The processes as PM2 has them now. */
  processes(): Promise<Pm2Process[]>;
  /** Starts more of them. */
  grow(count: number): Promise<void>;
  /** New processes in place of the old, at rest. */
  restart(): Promise<void>;
  /** By pm_id: when a process said that it was idle for the first time, and when its agent answered, in milliseconds. */
  readonly idleAt: Map<number, number>;
  readonly helloAt: Map<number, number>;
  /** When the module was started last, in milliseconds. */
  moduleStartedAt(): number;
  /** Waits until the agents of all of these have answered. */
  untilAnswered(pmIds: readonly number[], timeoutMs?: number): Promise<void>;
  kill(): Promise<void>;
}

const SCRIPT = join(ROOT, 'bench', 'apps', 'idle.cjs');

export async function startIdleFleet(count: number): Promise<IdleFleet> {
  const pm2 = await startPm2();
  const probes = probesOf(pm2);
  mkdirSync(probes);
  const idleAt = new Map<number, number>();
  const helloAt = new Map<number, number>();
  let moduleStartedAt = Number.NaN;
  await pm2.bus((event, data) => {
    const at = performance.now();
    const { pm_id: pmId, name } = data.process as { pm_id: number; name: string };
    if (event === 'bench:idle') idleAt.set(pmId, at);
    else if (event === 'pm2-ops:agent' && isAnswer(data.data)) helloAt.set(pmId, at);
    else if (event === 'process:event' && data.event === 'online' && name === 'pm2-ops') moduleStartedAt = at;
  });

  const processes = async () => (await pm2.list()).filter(({ name }) => name.startsWith('idle-'));
  const settled = async () => {
    const ids = (await processes()).map(({ pm_id }) => pm_id);
    await waitFor(() => ids.every((id) => idleAt.has(id)), {
      what: `${ids.length} idle apps idle`,
      timeoutMs: 60_000,
      context: () => pm2.logs('idle-0').slice(-2000),
    });
    await sleep(SETTLE_MS);
  };

  const fleet: IdleFleet = {
    pm2,
    processes,
    async grow(more) {
      const workers = Math.floor(more / 2);
      const common = { script: SCRIPT, cwd: ROOT };
      const before = (await processes()).length;
      const forks = Array.from({ length: more - workers }, (_, index) => `idle-${before + index}`);
      const apps = [];
      for (const name of forks) apps.push({ ...common, name, env: { PORT: await freePort(), PROBES: probes } });
      if (workers > 0) {
        const env = { PORT: await freePort(), PROBES: probes };
        apps.push({ ...common, name: `idle-cluster-${before}`, exec_mode: 'cluster', instances: workers, env });
      }
      await pm2.startApp(apps);
      await settled();
    },
    async restart() {
      idleAt.clear();
      helloAt.clear();
      await pm2.okWith({ timeoutMs: 120_000 }, 'restart', '/^idle-/');
      await settled();
    },
    idleAt,
    helloAt,
    moduleStartedAt: () => moduleStartedAt,
    async untilAnswered(pmIds, timeoutMs = 60_000) {
      await waitFor(() => pmIds.every((id) => helloAt.has(id)), {
        what: `${pmIds.length} agents to answer`,
        timeoutMs,
        context: () => pm2.logs('pm2-ops').slice(-4000),
      });
    },
    kill: () => pm2.kill(),
  };
  try {
    await fleet.grow(count);
    return fleet;
  } catch (error) {
    await pm2.kill();
    throw error;
  }
}

/** Only a hello with a nonce is an answer: that PM2 lists our actions is none. */
function isAnswer(message: unknown): boolean {
  const { kind, nonce } = message as { kind?: unknown; nonce?: unknown };
  return kind === 'hello' && typeof nonce === 'string';
}

function probesOf(pm2: Pm2): string {
  return join(pm2.folder, 'probes');
}

/** Holds of a process's event loop: when each began (monotonic clock) and how long it was, both. */
export type Holds = [at: number, heldMs: number][];

export interface Probe {
  stop(): Promise<Holds>;
}

/** Begins to watch how long a process's event loop is held. */
export async function probe(pm2: Pm2, pmId: number): Promise<Probe> {
  const socketPath = join(probesOf(pm2), `${pmId}.sock`);
  await get({ socketPath, path: '/start' });
  return { stop: async () => JSON.parse((await get({ socketPath, path: '/stop' })).body) as Holds };
}

/** Milliseconds of the monotonic clock, the one in `Holds`. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
