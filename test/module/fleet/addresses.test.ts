import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../../testkit/command.ts';
import { tempFolder } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get, type Load, startLoad, untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import type { AppConfig } from '../../../testkit/pm2Versions.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

interface Answer {
  ok: boolean;
  code?: string;
  message?: string;
  hint?: string;
  drained?: boolean;
  reason?: string;
  note?: string;
  id?: number;
}

/** A service that answers with its version and pid, and listens as told. */
function service(version: number, listen: string): string {
  return `
    const http = require('node:http');
    const server = () => http.createServer((req, res) => setTimeout(() => res.end('version ${version} pid ' + process.pid), 5));
    const number = Number(process.env.NODE_APP_INSTANCE);
    const port = Number(process.env.PORT);
    ${listen}
  `;
}

describe('instances that do not listen on the same address', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  /** An app under load at each of its ports. */
  async function running(name: string, listen: string, ports: number[], config: Partial<AppConfig> = {}) {
    const file = join(tempFolder(), 'service.cjs');
    const deploy = (version: number, how = listen) => writeFileSync(file, service(version, how));
    deploy(1);
    const app = { name, script: file, exec_mode: 'cluster', instances: ports.length, env: { PORT: ports[0] } };
    await pm2.startApp({ ...app, ...config });
    for (const port of ports) await untilServing({ port });
    await untilAttached(pm2, name);
    const loads = ports.map((port) => startLoad({ port, clients: 6, pauseMs: 10, timeoutMs: 60_000 }));
    return { deploy, loads, processes: await pm2.processes(name) };
  }

  async function assertNothingLost(loads: Load[]): Promise<void> {
    await Promise.all(loads.map((load) => waitFor(() => load.counts().requests > 20, { what: 'requests' })));
    for (const load of loads) assert.deepEqual((await load.stop()).failures, {}, pm2.logs('pm2-ops'));
  }

  const listenByNumber = "server().listen(port + number, '127.0.0.1');";
  async function portsInARow(count: number): Promise<number[]> {
    const first = await freePort();
    return Array.from({ length: count }, (_, index) => first + index);
  }

  it('do not stand in for each other: no drain, a dump in place with the true reason', async () => {
    const ports = await portsInARow(2);
    const { loads } = await running('apart', listenByNumber, ports);
    const drained = replies<Answer>(await command(pm2, 'drain', 'apart', '--json'));
    assert.deepEqual(
      drained.map(({ code }) => code),
      ['E_LAST', 'E_LAST'],
    );
    assert.match(
      drained[0]!.message ?? '',
      new RegExp(
        `no other instance of apart listens on 127\\.0\\.0\\.1:${ports[0]} \\(the others: 127\\.0\\.0\\.1:${ports[1]}\\)`,
      ),
    );
    const [dump] = replies<Answer>(await command(pm2, 'heapdump', 'apart', '--json'));
    assert.equal(dump!.drained, false);
    assert.match(dump!.reason ?? '', /no other instance of apart listens on 127\.0\.0\.1:\d+/);
    await assertNothingLost(loads);
    await pm2.ok('delete', 'apart');
  });

  for (const [how, config, listen] of [
    ['a port by NODE_APP_INSTANCE', {}, listenByNumber],
    ['a port by increment_var', { increment_var: 'PORT' }, "server().listen(port, '127.0.0.1');"],
  ] as const) {
    it(`with ${how} are reloaded one by one beside a successor of their number, and no request is lost`, async () => {
      const ports = await portsInARow(2);
      const { loads, deploy, processes } = await running('numbered', listen, ports, config);
      deploy(2);
      const { code, stdout, stderr } = await command(pm2, 'reload', 'numbered', '--settle', '500');
      assert.equal(code, 0, stdout + stderr);
      for (const port of ports) assert.match((await get({ port })).body, /version 2 /);
      await assertNothingLost(loads);
      const now = await pm2.processes('numbered');
      assert.deepEqual(
        now.map(({ pm_id }) => pm_id),
        processes.map(({ pm_id }) => pm_id),
      );
      assert.equal(
        now.some(({ pid }) => processes.some((old) => old.pid === pid)),
        false,
      );
      await pm2.ok('delete', 'numbered');
    });
  }

  it('one of four on a port of its own: the others stand in for each other, and that one has a successor beside it', async () => {
    const ports = await portsInARow(2);
    const { loads, deploy } = await running(
      'odd',
      "server().listen(port + (number === 3 ? 1 : 0), '127.0.0.1');",
      ports,
      {
        instances: 4,
      },
    );
    const [first, , , last] = await pm2.processes('odd');
    const drained = replies<Answer>(await command(pm2, 'drain', String(last!.pm_id), '--json'));
    assert.equal(drained[0]!.code, 'E_LAST');
    const other = replies<Answer>(await command(pm2, 'drain', String(first!.pm_id), '--json'));
    assert.equal(other[0]!.ok, true, JSON.stringify(other));
    await command(pm2, 'resume', String(first!.pm_id));
    deploy(2);
    const { code, stdout, stderr } = await command(pm2, 'reload', 'odd', '--settle', '300');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`id ${last!.pm_id} alone listens on 127\\.0\\.0\\.1:${ports[1]}`));
    await assertNothingLost(loads);
    assert.equal((await pm2.processes('odd')).length, 4);
    await pm2.ok('delete', 'odd');
  });

  it('with a shared port and one of its own: drained, and it is told where nobody serves; in a dump clients wait there', async () => {
    const [shared, ...own] = await portsInARow(3);
    const listen = "server().listen(port, '127.0.0.1'); server().listen(port + 1 + number, '127.0.0.1');";
    const { loads } = await running('both', listen, [shared!, ...own], { instances: 2 });
    const [id] = (await pm2.processes('both')).map(({ pm_id }) => String(pm_id));
    const [dump] = replies<Answer>(await command(pm2, 'heapdump', id!, '--json'));
    assert.equal(dump!.drained, true, JSON.stringify(dump));
    assert.match(
      dump!.reason ?? '',
      new RegExp(`no other instance listens on 127\\.0\\.0\\.1:${own[0]}: its clients there waited`),
    );
    await assertNothingLost(loads);
    const [drain] = replies<Answer>(await command(pm2, 'drain', id!, '--json'));
    assert.equal(drain!.ok, true);
    assert.match(drain!.note ?? '', new RegExp(`127\\.0\\.0\\.1:${own[0]}: no process serves there`));
    assert.equal((await get({ port: shared! })).status, 200);
    await pm2.ok('delete', 'both');
  });
});
