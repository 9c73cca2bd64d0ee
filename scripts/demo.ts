// The demo: a service on all CPUs under real load, `pm2 install`, then a heap dump, a drain and a reload, live. Private
// PM2 daemon, private PM2_HOME; nothing is left but the heap dump. Exits with 1 when a client lost a request.

import { copyFileSync, mkdtempSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../testkit/folders.ts';
import { get, type Load, type LoadStats, startLoad } from '../testkit/load.ts';
import { packModule } from '../testkit/package.ts';
import { type Pm2, startPm2 } from '../testkit/pm2.ts';
import { untilAttached } from '../testkit/status.ts';
import { ensureTemplateBuilt } from '../testkit/template.ts';
import { freePort, waitFor } from '../testkit/wait-for.ts';
import { mark, milliseconds, Progress, size, table } from './demo/terminal.ts';

const CLIENTS = 48;
/** Between an answer and the same client's next request. */
const PAUSE_MS: [number, number] = [0, 40];

interface Reply {
  ok: boolean;
  message?: string;
  [field: string]: unknown;
}

interface Scene {
  pm2: Pm2;
  port: number;
  load: Load;
  progress: Progress;
  /** What the clients saw, by what happened meanwhile. */
  phases: { name: string; seen: LoadStats }[];
}

async function main(): Promise<void> {
  console.log(mark.bold(`pm2-ops demo: Node ${process.version}, ${availableParallelism()} CPUs`));
  const progress = new Progress();
  await progress.step('install and build app-template (TypeScript, Express 5)', async () => {
    await ensureTemplateBuilt();
  });
  const pm2 = await progress.step(
    'start a PM2 daemon of our own',
    () => startPm2(),
    (it) => `PM2 ${it.version}`,
  );
  let load: Load | undefined;
  try {
    const port = await freePort();
    await startService(pm2, port, progress);
    load = startLoad({ port, clients: CLIENTS, pauseMs: PAUSE_MS });
    progress.watch(load);
    const scene: Scene = { pm2, port, load, progress, phases: [] };

    await phase(scene, 'before', () =>
      progress.step(`${CLIENTS} keep-alive clients that never retry`, () => sleep(1_500)),
    );
    await phase(scene, 'pm2 install', () => install(scene));
    const dump = await phase(scene, 'heapdump', () => heapDump(scene));
    await phase(scene, 'drain, resume', () => drainAndResume(scene));
    await phase(scene, 'pm2 reload', () => reload(scene));
    await load.stop();
    progress.end();
    report(scene, dump);
  } finally {
    progress.end();
    void load?.stop();
    await pm2.kill();
  }
}

async function startService(pm2: Pm2, port: number, progress: Progress): Promise<void> {
  await progress.step(
    'pm2 start ecosystem.config.js',
    async () => {
      await pm2.okWith({ cwd: ROOT, env: { PORT: String(port) } }, 'start', 'ecosystem.config.js');
      // On a single CPU there would be no other instance to take over.
      if ((await pm2.processes('web')).length < 2) await pm2.ok('scale', 'web', '2');
      return pm2.online('web', (await pm2.processes('web')).length);
    },
    (workers) => `${workers.length} workers on port ${port}, pids ${workers.map(({ pid }) => pid).join(' ')}`,
  );
}

async function install({ pm2, progress }: Scene): Promise<void> {
  const tarball = await progress.step(
    'npm pack',
    () => packModule(),
    (file) => `${basename(file)}, ${size(statSync(file).size)}`,
  );
  const before = await pm2.processes('web');
  await progress.step(`pm2 install ${basename(tarball)}`, () => pm2.ok('install', tarball));
  await progress.step(
    'pm2 trigger pm2-ops status',
    async () => {
      const attached = await untilAttached(pm2, 'web', 30_000);
      for (const { id, pid } of attached)
        if (before.find(({ pm_id }) => pm_id === id)?.pid !== pid) throw new Error(`worker ${id} was restarted`);
      return attached;
    },
    (attached) => `${attached.length} of ${attached.length} workers attached, none restarted`,
  );
}

/** @returns where the dump is kept */
async function heapDump({ pm2, progress }: Scene): Promise<string> {
  const [first] = await pm2.processes('web');
  const id = first!.pm_id;
  const reply = await progress.step(
    `pm2 trigger ${id} heapdump`,
    () => trigger(pm2, id, 'heapdump'),
    ({ bytes, ms }) => `${size(Number(bytes))} in ${milliseconds(Number(ms))}`,
  );
  const file = String(reply.file);
  if (statSync(file).size !== reply.bytes)
    throw new Error(`${file} has ${statSync(file).size} bytes, not ${reply.bytes}`);
  const kept = join(mkdtempSync(join(tmpdir(), 'pm2-ops-demo-')), basename(file));
  copyFileSync(file, kept);
  return kept;
}

async function drainAndResume({ pm2, port, load, progress }: Scene): Promise<void> {
  // Not the one that wrote the dump: its clients have not come back to it yet.
  const { pm_id: id, pid } = (await pm2.processes('web')).at(-1)!;
  await progress.step(
    `pm2 trigger ${id} drain`,
    () => trigger(pm2, id, 'drain'),
    ({ finished, closed, cut, ms }) =>
      `finished ${finished}, closed ${closed}, cut ${cut} in ${milliseconds(Number(ms))}`,
  );
  await progress.step(
    'the others serve',
    async () => {
      const before = load.stats();
      await sleep(1_500);
      const now = load.stats();
      if (now.servedBy[pid] !== before.servedBy[pid]) throw new Error(`worker ${id} still answers after its drain`);
      return now.requests - before.requests;
    },
    (answered) => `${answered.toLocaleString('en')} requests answered, none of them by worker ${id}`,
  );
  await progress.step(
    `pm2 trigger ${id} resume`,
    async () => {
      await trigger(pm2, id, 'resume');
      await waitFor(async () => (await get({ port })).body.includes(`${pid}`), { what: `an answer from ${pid}` });
    },
    () => `worker ${id} takes new connections again`,
  );
}

async function reload({ pm2, progress }: Scene): Promise<void> {
  const before = await pm2.processes('web');
  await progress.step('pm2 reload web', () => pm2.ok('reload', 'web'));
  await progress.step(
    'pm2 trigger pm2-ops status',
    async () => {
      const attached = await untilAttached(pm2, 'web', 30_000);
      if (attached.some(({ pid }) => before.some((old) => old.pid === pid)))
        throw new Error('a worker was not replaced');
      return attached;
    },
    (attached) => `${attached.length} new workers, all attached`,
  );
}

/** One action of one process; any reply but a success is an error. */
async function trigger(pm2: Pm2, id: number, action: string): Promise<Reply> {
  const reply = await pm2.triggerOne<Reply>(id, action, undefined, 60_000);
  if (!reply.ok) throw new Error(`${action} was refused: ${JSON.stringify(reply)}`);
  return reply;
}

/** Runs one act and keeps what the clients saw meanwhile. */
async function phase<T>({ load, phases }: Scene, name: string, act: () => Promise<T>): Promise<T> {
  load.phase();
  const result = await act();
  phases.push({ name, seen: load.phase() });
  return result;
}

function report({ phases }: Scene, dump: string): void {
  console.log(`\n${mark.bold('What the clients saw')}`);
  const rows = phases.map(({ name, seen }) => [
    name,
    seen.requests.toLocaleString('en'),
    String(seen.failed),
    milliseconds(seen.p50Ms),
    milliseconds(seen.maxMs),
    Object.entries(seen.failures)
      .map(([kind, count]) => `${count} × ${kind}`)
      .join(', '),
  ]);
  console.log(table(['meanwhile', 'requests', 'failed', 'median', 'longest wait', ''], rows));
  const requests = phases.reduce((sum, { seen }) => sum + seen.requests, 0);
  const failed = phases.reduce((sum, { seen }) => sum + seen.failed, 0);
  if (failed > 0) {
    console.log(mark.bad(`${failed} of ${requests.toLocaleString('en')} requests failed.`));
    process.exitCode = 1;
  } else {
    console.log(mark.good(`None of ${requests.toLocaleString('en')} requests failed.`));
  }
  console.log(`
The heap dump is kept (it holds all that the worker had in memory, secrets too):
  ${dump}
  look at it   Chrome: DevTools, Memory, Load profile…
  delete it    rm -r ${join(dump, '..')}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.prependOnceListener(signal, () => console.log('\nInterrupted: ending the daemon and its processes.'));

main().catch((error: unknown) => {
  console.error(mark.bad(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`));
  process.exitCode = 1;
});
