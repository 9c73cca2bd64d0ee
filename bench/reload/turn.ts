// One reload of one candidate, measured: from the command until the old workers are gone and the new ones serve.

import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { get } from '../../testkit/load.ts';
import { waitFor } from '../../testkit/wait-for.ts';
import { monotonicMs } from '../support/fleet.ts';
import type { Clients } from './clients.ts';
import type { Seen } from './seen.ts';
import type { Service } from './services.ts';

/** How often a process is looked for that is about to go: figures about its end are exact to that. */
const LOOK_EVERY_MS = 2;
const OVER_WITHIN_MS = 60_000;
/** So many answers, from every worker, before a reload begins: connections are spread and code is warm. */
const WARM_ANSWERS = 500;
/** For how long busy clients go on after a reload: what it left broken shows. */
const AFTER_MS = 300;

export interface Turn {
  seconds: number;
  /** By old worker: from its last answer to its end. */
  leavingMs: number[];
}

/** Busy clients come, the service is reloaded, they go. */
export async function busyTurn(
  service: Service,
  clients: Clients,
  group: { name: string; clients: number; anew?: number },
): Promise<{ turn: Turn | Error; seen: Seen }> {
  await clients.start({ ...group, port: service.port, pauseMs: 0 });
  const turn = await warmReload(service, clients, group.name).catch((error: Error) => error);
  await sleep(AFTER_MS);
  return { turn, seen: await clients.stop(group.name) };
}

async function warmReload(service: Service, clients: Clients, name: string): Promise<Turn> {
  await service.ready();
  const { servers } = await waitFor(
    async () => {
      const seen = await clients.look(name);
      const enough = !service.namesWorkers || Object.keys(seen.servers).length >= service.workers;
      return enough && seen.requests > WARM_ANSWERS && seen;
    },
    { what: `${name} to answer ${WARM_ANSWERS} requests`, timeoutMs: OVER_WITHIN_MS },
  );
  return reload(service, clients, name, new Set(Object.keys(servers)));
}

/** Clients that pause come, use their connections, the service is reloaded, they use them once more and go. Whether a new worker
 * serves is PM2's word. */
export async function pausingTurn(
  service: Service,
  clients: Clients,
  group: { name: string; clients: number; pauseMs: number },
): Promise<{ turn: Turn | Error; seen: Seen }> {
  await clients.start({ ...group, port: service.port });
  const turn = await service
    .ready()
    .then(() => sleep(group.pauseMs))
    .then(() => reload(service, clients, group.name))
    .catch((error: Error) => error);
  await sleep(group.pauseMs);
  return { turn, seen: await clients.stop(group.name) };
}

async function reload(service: Service, clients: Clients, name: string, oldServers?: Set<string>): Promise<Turn> {
  const old = await service.pids();
  const beganMs = monotonicMs();
  const gone = Promise.all(old.map(untilGone));
  // A reload that fails is told by the next line.
  gone.catch(() => {});
  await service.reload();
  const commandMs = monotonicMs();
  const goneAtMs = await gone;
  const servingMs = oldServers && service.namesWorkers ? await untilNewServe(service, clients, name, oldServers) : 0;
  const { servers } = await clients.look(name);
  const endMs = Math.max(...goneAtMs, servingMs, service.endsWithCommand ? commandMs : 0);
  const leavingMs = old.flatMap((pid, at) => {
    const last = servers[pid]?.lastAtMs;
    // One that was idle when it was told to go has no last answer that says anything.
    return last !== undefined && last > beganMs ? [goneAtMs[at]! - last] : [];
  });
  return { seconds: (endMs - beganMs) / 1000, leavingMs };
}

async function untilGone(pid: number): Promise<number> {
  await waitFor(() => !isAlive(pid), { what: `${pid} to end`, timeoutMs: OVER_WITHIN_MS, everyMs: LOOK_EVERY_MS });
  return monotonicMs();
}

/**
 * Asks on new connections too: clients that have found a worker stay with it.
 * @returns when each of the new workers had given its first answer
 */
async function untilNewServe(service: Service, clients: Clients, name: string, old: Set<string>): Promise<number> {
  const firstAtMs = new Map<string, number>();
  const note = (server: string, atMs: number) => {
    if (!old.has(server)) firstAtMs.set(server, Math.min(atMs, firstAtMs.get(server) ?? atMs));
  };
  await waitFor(
    async () => {
      for (const [server, seen] of Object.entries((await clients.look(name)).servers)) note(server, seen.firstAtMs);
      if (firstAtMs.size >= service.workers) return true;
      const { status, body } = await get({ port: service.port });
      if (status === 200) note(body.replace('pid ', ''), monotonicMs());
      return firstAtMs.size >= service.workers;
    },
    { what: `${service.workers} new workers of ${name} to answer`, timeoutMs: OVER_WITHIN_MS },
  );
  return Math.max(...firstAtMs.values());
}
