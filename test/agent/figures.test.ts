import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../testkit/command.ts';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { app } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { get, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { moduleStatus, untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor, within } from '../../testkit/wait-for.ts';
import {
  type CountingClient,
  figuresOf,
  outcomesOf,
  type Ports,
  startCounting,
  startFarEnd,
} from '../support/countingClients.ts';

interface Figures {
  finished: number;
  closed: number;
  cut: number;
  cutRequests: string[];
}
interface Dump {
  ok: boolean;
  pid: number;
  drained: boolean;
  reason: string;
  finished: number;
  closed: number;
}

const strangeOf = (clients: CountingClient[]) => clients.filter(({ strange }) => strange !== '');
const threeOf = ({ finished, closed, cut }: Figures) => ({ finished, closed, cut });

describe('the figures that are told of a drain', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  async function start(t: Parameters<typeof startFarEnd>[0], name: string, options: object): Promise<Ports> {
    const ports = { http: await freePort(), h2c: await freePort(), raw: await freePort() };
    const env = { PORTS: JSON.stringify(ports) };
    await pm2.startApp({ name, script: app('every-stream.cjs'), env, ...options });
    await untilServing({ port: ports.http, path: '/pid' });
    await untilAttached(pm2, name);
    return { ...ports, ...(await startFarEnd(t)) };
  }
  const isDraining = (name: string) =>
    waitFor(
      async () => (await moduleStatus(pm2)).processes.some((row) => row.name === name && row.state === 'draining'),
      {
        what: 'it to drain',
        everyMs: 20,
      },
    );

  it('by the action are what its clients saw', async (t) => {
    const ports = await start(t, 'drained', { exec_mode: 'fork' });
    const counting = await startCounting(t, ports, 60_000);
    const replying = pm2.triggerOne<Figures>('drained', 'drain', 'force=true timeout=2500');
    await isDraining('drained');
    counting.leave();
    const reply = await replying;
    await counting.over();
    assert.deepEqual(threeOf(reply), figuresOf(counting.clients), outcomesOf(counting.clients));
    assert.equal(reply.cutRequests.length, 10);
    assert.deepEqual(strangeOf(counting.clients), []);
    await pm2.ok('delete', 'drained');
  });

  it('on a signal are what its clients saw, in the log and in the status', async (t) => {
    const ports = await start(t, 'left', { exec_mode: 'cluster', kill_timeout: 3_000 });
    const counting = await startCounting(t, ports, 60_000);
    const stopping = pm2.call('stopProcessId', { id: (await pm2.process('left')).pm_id });
    // Aborted requests are the client's doing, however soon.
    counting.leave();
    await stopping;
    await counting.over();
    const seen = figuresOf(counting.clients);
    const { finished, closed, cut } = seen;
    const line = new RegExp(
      `SIGINT: drained in \\d+ ms: ${finished} finished, ${closed} closed, ${cut} cut \\(.*more\\);`,
    );
    await waitFor(() => line.test(pm2.logs('left')), { what: String(line), context: () => pm2.logs('left') });
    const row = (await moduleStatus(pm2)).processes.find(({ name }) => name === 'left');
    assert.deepEqual(threeOf((row as { lastExit?: Figures }).lastExit!), seen, outcomesOf(counting.clients));
    assert.deepEqual(strangeOf(counting.clients), []);
    await pm2.ok('delete', 'left');
  });

  it('of a tunnel alone that is cut suggest no kill_timeout, which nobody knows', async (t) => {
    const ports = await start(t, 'tunnel', { exec_mode: 'fork', kill_timeout: 1_600 });
    const counting = await startCounting(t, ports, 60_000);
    for (const { kind, leave } of counting.clients) if (kind !== 'CONNECT') leave();
    await waitFor(
      async () => (await pm2.triggerOne<{ connections: number }>('tunnel', 'ops-status')).connections === 1,
      { what: 'all others to be gone' },
    );
    await pm2.call('stopProcessId', { id: (await pm2.process('tunnel')).pm_id });
    const line =
      /SIGINT: drained in \d+ ms: 0 finished, 0 closed, 1 cut \(CONNECT or upgrade from 127\.0\.0\.1:\d+\); they had not ended by themselves within kill_timeout 1600$/m;
    await waitFor(() => line.test(pm2.logs('tunnel')), { what: String(line), context: () => pm2.logs('tunnel') });
    await pm2.ok('delete', 'tunnel');
  });

  it('before a dump are what its clients saw: nothing is cut, and the reply says what was not finished', async (t) => {
    const ports = await start(t, 'dumped', { exec_mode: 'cluster', instances: 2 });
    const countings = [await startCounting(t, ports, 9_000), await startCounting(t, ports, 9_000)];
    const clients = countings.flatMap((counting) => counting.clients);
    const { pm_id: id, pid } = (await pm2.processes('dumped'))[0]!;
    const own = clients.filter((client) => client.pid === pid);
    assert.ok(
      own.some(({ kind }) => /CONNECT|raw/.test(kind)),
      outcomesOf(own),
    );
    const [dump] = replies<Dump>(await command(pm2, 'heapdump', String(id), '--timeout', '2500', '--json'));
    const { finished, closed } = figuresOf(own);
    assert.deepEqual(
      { drained: dump?.drained, finished: dump?.finished, closed: dump?.closed },
      { drained: false, finished, closed },
      outcomesOf(own),
    );
    const left = own.filter(({ isOpen }) => isOpen).length;
    assert.match(
      dump?.reason ?? '',
      new RegExp(`^${left} connections were not done within timeout \\(.+\\): nothing was cut`),
    );
    for (const { leave } of countings) leave();
    await within(20_000, 'the end of all that was left', Promise.all(own.map(({ over }) => over)));
    assert.equal(figuresOf(own).cut, 0, outcomesOf(own));
    assert.deepEqual(strangeOf(own), []);
    for (const { leave } of clients) leave();
    await pm2.ok('delete', 'dumped');
  });

  it('a signal in the drain of a dump ends the process in time: no dump, and what was cut is told', async (t) => {
    const ports = await start(t, 'signalled', { exec_mode: 'cluster', instances: 2, kill_timeout: 2_000 });
    const { pm_id: id, pid } = (await pm2.processes('signalled'))[0]!;
    // PM2 hands connections out in turn.
    const slow = [1, 2].map(() => get({ port: ports.http, path: '/?ms=60000' }, 30_000).catch(() => {}));
    await waitFor(async () => (await pm2.triggerOne<{ inFlight: number }>(id, 'ops-status')).inFlight === 1, {
      what: 'its request to be in flight',
    });
    const dumping = command(pm2, 'heapdump', String(id), '--timeout', '60000', '--json');
    await isDraining('signalled');
    await pm2.call('stopProcessId', { id });
    await waitFor(() => !isAlive(pid), { what: 'it to be gone' });
    const [reply] = replies<Dump & { code: string; message: string }>(await dumping);
    assert.match(`${reply?.code} ${reply?.message}`, /^E_STATE .*told to leave/);
    await waitFor(
      () => /SIGINT: drained in \d+ ms: 0 finished, 0 closed, 1 cut \(GET \/\)/.test(pm2.logs('signalled')),
      {
        what: 'the line',
        context: () => pm2.logs('signalled'),
      },
    );
    assert.doesNotMatch(pm2.daemonLog(), new RegExp(`pid=${pid} .*SIGKILL`));
    assert.deepEqual(
      readdirSync(join(pm2.home, 'pm2-ops', 'dumps')).filter((file) => file.startsWith('signalled')),
      [],
    );
    await pm2.ok('delete', 'signalled');
    await Promise.all(slow);
  });
});
