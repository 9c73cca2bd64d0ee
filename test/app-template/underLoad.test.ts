import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type Client, repeat } from '../../testkit/clients.ts';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { untilServing } from '../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import type { Pm2Process } from '../../testkit/pm2Versions.ts';
import { ensureTemplateBuilt, TEMPLATE } from '../../testkit/template.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import { certificate } from '../drain/certificate.ts';
import { type EveryClient, type Seen, startEveryClient } from '../support/everyClient.ts';

const WORKERS = 2;
const NEW = 'a new connection';
/** How many clients there are of a kind, where it is more than one. */
const CLIENTS: Record<string, number> = { '64 keep-alive connections': 64, WebSocket: 6, 'server-sent events': 4 };

describe('app-template under load from every kind of client, none of which tries twice', () => {
  let pm2: Pm2;
  const folder = tempFolder();
  const files = {
    CERT: join(folder, 'cert.pem'),
    KEY: join(folder, 'key.pem'),
    ACKED: join(folder, 'acked'),
    BROKEN: join(folder, 'broken'),
  };
  const ports = { http: 0, https: 0, http2: 0, h2c: 0 };
  const report: string[] = [];

  before(async () => {
    const { key, cert } = certificate();
    writeFileSync(files.KEY, key);
    writeFileSync(files.CERT, cert);
    writeFileSync(files.ACKED, '');
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    [pm2] = await Promise.all([startPm2(), ensureTemplateBuilt()]);
    const file = join(TEMPLATE, 'ecosystem.config.cjs');
    await pm2.startApp({
      ...createRequire(file)(file).apps[0],
      name: 'web',
      script: app('every-service.mjs'),
      instances: WORKERS,
      env: { PORTS: JSON.stringify(ports), ...files },
    });
    await untilServing({ port: ports.http, path: '/health/ready' });
  });
  after(async () => {
    await pm2?.kill();
    console.log(report.join('\n'));
  });

  /** Runs `act` while every kind of client is served; what they saw. */
  async function during(what: string, act: () => Promise<unknown>): Promise<Seen> {
    const clients: EveryClient = startEveryClient({ ports, acked: files.ACKED });
    await waitFor(() => clients.counts().requests > 300, { what: 'load' });
    await act();
    await sleep(300);
    const seen = await clients.stop();
    const answers = Object.values(seen.done).reduce((sum, count) => sum + count, 0);
    const lost = Object.values(seen.failures).flatMap((kinds) => Object.values(kinds));
    const kinds = Object.keys(seen.done).length;
    report.push(`${what}: ${answers} answers to ${kinds} kinds of clients, ${lost.reduce((a, b) => a + b, 0)} lost`);
    for (const [kind, count] of Object.entries(seen.done)) assert.ok(count > 0, `${kind}: nothing was done`);
    assert.deepEqual(seen.invented, []);
    return seen;
  }

  const workers = () => pm2.processes('web');
  const gone = (before: Pm2Process[]) => before.every(({ pid }) => !isAlive(pid));

  it('pm2 reload loses nothing', async () => {
    const before = await workers();
    const { failures, closeCodes } = await during('pm2 reload', () => pm2.ok('reload', 'web'));
    assert.deepEqual(failures, {}, pm2.logs('web'));
    assert.deepEqual([...new Set(closeCodes)], [1012]);
    assert.ok(gone(before));
    assert.doesNotMatch(pm2.daemonLog(), /SIGKILL/);
  });

  it('pm2 scale loses nothing, up or down', async () => {
    const { failures } = await during('pm2 scale 3, pm2 scale 2', async () => {
      await pm2.ok('scale', 'web', String(WORKERS + 1));
      await pm2.online('web', WORKERS + 1);
      await pm2.ok('scale', 'web', String(WORKERS));
      await pm2.online('web', WORKERS);
    });
    assert.deepEqual(failures, {}, pm2.logs('web'));
    assert.doesNotMatch(pm2.daemonLog(), /SIGKILL/);
  });

  it('a worker that cannot start loses nothing, and serves when it can', async () => {
    writeFileSync(files.BROKEN, '');
    const { failures } = await during('a worker that cannot start', async () => {
      const scaling = pm2.ok('scale', 'web', `+1`);
      await waitFor(() => (pm2.logs('web').match(/licence: it has run out/g)?.length ?? 0) >= 3, {
        what: 'three starts that fail',
        timeoutMs: 30_000,
        context: () => pm2.logs('web'),
      });
      rmSync(files.BROKEN);
      await scaling;
      await pm2.online('web', WORKERS + 1, 30_000);
    });
    assert.deepEqual(failures, {}, pm2.logs('web'));
    await pm2.ok('scale', 'web', String(WORKERS));
    await pm2.online('web', WORKERS);
  });

  it('a crash of one worker loses what was on its way there, and nothing else', async () => {
    const [victim] = await workers();
    const witnesses = Array.from({ length: 32 }, () => witness(ports.http));
    const { failures } = await during('SIGKILL to one worker', async () => {
      await waitFor(() => witnesses.every(({ tally }) => tally.done > 3), { what: 'the witnesses' });
      process.kill(victim!.pid, 'SIGKILL');
      const isBack = async () =>
        (await workers()).some((now) => now.pm_id === victim!.pm_id && now.pid !== victim!.pid);
      await waitFor(isBack, { what: 'the worker to be there again', timeoutMs: 20_000 });
      await pm2.online('web', WORKERS, 20_000);
    });
    const seen = await Promise.all(witnesses.map((each) => each.stop()));
    const lostOn = seen.flatMap(({ failures }) => Object.keys(failures));
    const onVictim = lostOn.filter((where) => where === `on ${victim!.pid}`);
    // A connection that PM2 is handing to the worker in that very moment: there is one at most for each port.
    const onNew = lostOn.filter((where) => where === `on ${NEW}`);
    report.push(`  of 32 keep-alive clients ${lostOn.length} lost a request: ${onVictim.length} on the worker that was killed, \
${onNew.length} on its way there, none on the other`);
    assert.ok(onVictim.length > 0);
    assert.ok(onNew.length <= 1, `${lostOn}`);
    assert.equal(onVictim.length + onNew.length, lostOn.length, `${lostOn}`);
    assert.ok(seen.every(({ failures }) => Object.values(failures).every((count) => count === 1)));
    // A client loses what it had on its connection, once, and at most one on its way.
    for (const [kind, found] of Object.entries(failures)) {
      const lost = Object.values(found).reduce((sum, count) => sum + count, 0);
      assert.ok(lost <= (CLIENTS[kind] ?? 1) + 1, `${kind}: ${JSON.stringify(found)}`);
    }
  });
});

/** A client with one connection that tells on which worker a request was lost. */
function witness(port: number): Client {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let pid: unknown = NEW;
  return repeat(async () => {
    try {
      ({ 'x-pid': pid } = (await ask({ port, path: '/?ms=5', agent })).headers);
    } catch {
      const lost = pid;
      pid = NEW;
      throw new Error(`on ${lost}`);
    }
  });
}
