// One reload of one candidate, measured: from the command until the old workers are gone and the new ones serve.

import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../test/support/pm2.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { monotonicMs } from '../support/fleet.ts';
import type { Clients } from './clients.ts';
import type { Seen } from './seen.ts';
import { type Service, WORKERS } from './services.ts';

/** How often a process is looked for that is about to go, in milliseconds: figures about its end are exact to that. */
const LOOK_EVERY_MS = 2;
const OVER_WITHIN_MS = 60_000;
/** So many answers, from every worker, before a reload begins: connections are spread and code is warm. */
const WARM_ANSWERS = 1_000;
/** For how long busy clients go on after a reload, in milliseconds: what it left broken shows. */
const AFTER_MS = 300;

export interface Turn {
  seconds: number;
  /** By old worker: from its last answer to its end, in milliseconds. */
  leavingMs: number[];
}

/** Busy clients come, the service is reloaded, they go. */
export async function busyTurn(
  service: Service,
  clients: Clients,
  group: { name: string; clients: number },
): Promise<Turn & { seen: Seen }> {
  await service.ready();
  await clients.start({ ...group, port: service.port, pauseMs: 0 });
  const warm = await waitFor(
    async () => {
      const seen = await clients.look(group.name);
      const enough = !service.namesWorkers || Object.keys(seen.servers).length >= WORKERS;
      return enough && seen.requests > WARM_ANSWERS && seen;
    },
    { what: `${group.name} to answer ${WARM_ANSWERS} requests`, timeoutMs: OVER_WITHIN_MS },
  );
  const turn = await reload(service, clients, group.name, new Set(Object.keys(warm.servers)));
  await sleep(AFTER_MS);
  return { ...turn, seen: await clients.stop(group.name) };
}

/** Clients that pause are there all the time; whether a new worker serves is then PM2's word. */
export async function pausingTurn(service: Service, clients: Clients, name: string): Promise<Turn> {
  await service.ready();
  return reload(service, clients, name);
}

async function reload(service: Service, clients: Clients, name: string, oldServers?: Set<string>): Promise<Turn> {
  const old = await service.pids();
  const beganMs = monotonicMs();
  const gone = Promise.all(old.map(untilGone));
  await service.reload();
  const commandMs = monotonicMs();
  const goneAtMs = await gone;
  const servingMs = oldServers && service.namesWorkers ? await untilNewServe(clients, name, oldServers) : 0;
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

/** @returns when each of the new workers had given its first answer */
async function untilNewServe(clients: Clients, name: string, oldServers: Set<string>): Promise<number> {
  const seen = await waitFor(
    async () => {
      const answer = await clients.look(name);
      return newServers(answer, oldServers).length >= WORKERS && answer;
    },
    { what: `${WORKERS} new workers of ${name} to answer`, timeoutMs: OVER_WITHIN_MS },
  );
  return Math.max(...newServers(seen, oldServers).map(([, { firstAtMs }]) => firstAtMs));
}

function newServers({ servers }: Seen, old: Set<string>): [string, Seen['servers'][string]][] {
  return Object.entries(servers).filter(([server]) => !old.has(server));
}
