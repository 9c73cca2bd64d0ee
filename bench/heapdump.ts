// What does a heap dump cost: in time and memory beside its peers on the same heap, and for the clients of a cluster that
// is under load meanwhile?

import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, replies } from '../testkit/command.ts';
import { ROOT } from '../testkit/folders.ts';
import { install } from '../testkit/installed.ts';
import { get, type LoadStats, startLoad } from '../testkit/load.ts';
import { type Pm2, startPm2 } from '../testkit/pm2.ts';
import type { Pm2Process } from '../testkit/pm2Versions.ts';
import { untilAttached } from '../testkit/status.ts';
import { freePort } from '../testkit/wait-for.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { type Goal, report, say } from './support/report.ts';
import { median, round } from './support/stats.ts';

const options = readOptions('bench:heapdump', {
  mb: { default: 60, help: 'small objects in the process that is dumped alone, in MB: they are what takes time' },
  rounds: { default: 3, help: 'dumps of each kind, taking turns' },
  'cluster-mb': { default: 110, help: 'small objects in each of the two workers under load, in MB' },
  'numbers-mb': { default: 0, help: 'large arrays beside them, in MB: heap that V8 dumps fast' },
  clients: { default: 64, help: 'keep-alive clients that never retry' },
  seconds: { default: 12, help: 'load on one worker alone, for comparison' },
});

/** How long a client waits for an answer. */
const CLIENT_TIMEOUT_MS = 30_000;
/** A client's pause between an answer and its next request: it keeps the machine below its limit. */
const PAUSE_MS: [number, number] = [50, 150];
/** Before and after a dump under load. */
const MARGIN_MS = 2_000;
const ATTACHED_WITHIN_MS = 120_000;
/** How long PM2's own may take. */
const KM_TIMEOUT_MS = 60_000;
/** How long a peer in the app may take. */
const DUMP_TIMEOUT_MS = 300_000;

interface Dumped {
  /** From the question to the answer, in milliseconds, as the process itself measured it. */
  ms: number;
  bytes: number;
}

type Way = (pm2: Pm2, target: Pm2Process) => Promise<Dumped>;

/** Our own first, then the yardstick, then the peers; PM2's own is the last, because it leaves its daemon with more memory. */
const WAYS: Record<string, Way> = {
  'pm2-ops heapdump': (pm2, target) => byCommand(pm2, target),
  'pm2-ops heapdump gzip=true': (pm2, target) => byCommand(pm2, target, '--gzip'),
  'v8.writeHeapSnapshot': (pm2, target) => byApp(pm2, target, 'v8'),
  'heapdump (npm)': (pm2, target) => byApp(pm2, target, 'heapdump'),
  '@nearform/heap-profiler': (pm2, target) => byApp(pm2, target, 'nearform'),
  'PM2 km:heapdump': byPm2,
};
const OURS = ['pm2-ops heapdump', 'pm2-ops heapdump gzip=true'];
const YARDSTICK = 'v8.writeHeapSnapshot';

async function byCommand(pm2: Pm2, { pm_id }: Pm2Process, ...flags: string[]): Promise<Dumped> {
  const result = await command(pm2, 'heapdump', String(pm_id), '--json', ...flags);
  const [reply] = replies<Dumped & { ok: boolean; file: string }>(result);
  if (!reply?.ok) throw new Error(result.stdout);
  rmSync(reply.file);
  return reply;
}

async function byApp(pm2: Pm2, { pid }: Pm2Process, by: string): Promise<Dumped> {
  const file = join(pm2.folder, `${by}.heapsnapshot`);
  const answer = await control<{ ms: number }>(pm2, pid, `/dump?by=${by}&file=${encodeURIComponent(file)}`);
  const { size } = statSync(file);
  rmSync(file);
  return { ms: answer.ms, bytes: size };
}

/** It sends the snapshot to the daemon piece by piece, and answers when that is done. */
async function byPm2(pm2: Pm2, { pm_id }: Pm2Process): Promise<Dumped> {
  const started = performance.now();
  await pm2.runWith({ timeoutMs: KM_TIMEOUT_MS }, 'trigger', String(pm_id), 'km:heapdump').catch(() => {});
  return { ms: performance.now() - started, bytes: 0 };
}

async function control<T>(pm2: Pm2, pid: number, path: string): Promise<T> {
  const { status, body } = await get({ socketPath: join(pm2.folder, 'sockets', `${pid}.sock`), path }, DUMP_TIMEOUT_MS);
  if (status !== 200) throw new Error(body);
  return JSON.parse(body) as T;
}

async function daemon(): Promise<Pm2> {
  const pm2 = await startPm2();
  mkdirSync(join(pm2.folder, 'sockets'));
  await install(pm2);
  return pm2;
}

/** What each process is given: its port, and how much it holds. */
function heapApp(pm2: Pm2, name: string, port: number, mb: number, more: object = {}) {
  return {
    name,
    script: join(ROOT, 'bench/apps/heap.cjs'),
    wait_ready: true,
    listen_timeout: 60_000,
    env: {
      PORT: port,
      MB: mb,
      NUMBERS_MB: 0,
      SOCKETS: join(pm2.folder, 'sockets'),
      PEERS: join(ROOT, 'bench/heapdump/node_modules'),
      ...more,
    },
  };
}

interface Alone extends Dumped {
  peakMb: number;
  heldMs: number;
}

/** A fresh process for each way, all the same, dumped in place one after the other. */
async function alone(pm2: Pm2): Promise<Map<string, Alone>> {
  const names = Object.keys(WAYS);
  const apps = [];
  for (const at of names.keys()) apps.push(heapApp(pm2, `heap-${at}`, await freePort(), options.mb));
  const heaps = await pm2.startApp(apps);
  const found = new Map<string, Alone>();
  for (const { name } of heaps) await untilAttached(pm2, name, ATTACHED_WITHIN_MS);
  for (const [at, name] of names.entries()) {
    say(name);
    const heap = heaps.find((each) => each.name === `heap-${at}`)!;
    found.set(name, await dumpAlone(pm2, heap, WAYS[name]!));
  }
  await pm2.ok('delete', '/^heap-/');
  return found;
}

async function dumpAlone(pm2: Pm2, heap: Pm2Process, way: Way): Promise<Alone> {
  await control(pm2, heap.pid, '/');
  // Resets VmHWM to what is resident now (proc(5)).
  writeFileSync(`/proc/${heap.pid}/clear_refs`, '5');
  const dumped = await way(pm2, heap);
  const peakKb = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${heap.pid}/status`, 'utf8'))?.[1]);
  const { longestHoldMs } = await control<{ longestHoldMs: number }>(pm2, heap.pid, '/');
  return { ...dumped, peakMb: peakKb / 1024, heldMs: longestHoldMs };
}

interface Loaded {
  stats: LoadStats;
  heapMb: number;
  ms: number;
}

/** Workers under load, one of them dumped; without a way, the load alone. */
async function underLoad(pm2: Pm2, instances: number, way?: Way): Promise<Loaded> {
  const port = await freePort();
  const app = heapApp(pm2, 'heap', port, options['cluster-mb'], { NUMBERS_MB: options['numbers-mb'] });
  const heaps = await pm2.startApp({ ...app, exec_mode: 'cluster', instances });
  await untilAttached(pm2, 'heap', ATTACHED_WITHIN_MS);
  const target = heaps[0]!;
  const { heapUsed } = await control<{ heapUsed: number }>(pm2, target.pid, '/');
  const load = startLoad({ port, clients: options.clients, pauseMs: PAUSE_MS, timeoutMs: CLIENT_TIMEOUT_MS });
  await sleep(MARGIN_MS);
  load.phase();
  const ms = way ? (await way(pm2, target)).ms : 0;
  // What was asked in the last moment may be answered late, too.
  await sleep(way ? MARGIN_MS : options.seconds * 1000);
  const stats = await load.stop();
  await pm2.ok('delete', 'heap');
  return { stats, heapMb: heapUsed / 2 ** 20, ms };
}

async function main(): Promise<void> {
  const facts = machine();
  const single = new Map<string, Alone[]>(Object.keys(WAYS).map((name) => [name, []]));
  const loaded = new Map<string, Loaded>();
  let baseline: LoadStats;
  let pair: LoadStats;
  const pm2 = await daemon();
  try {
    for (let round = 1; round <= options.rounds; round++) {
      say(`round ${round} of ${options.rounds}`);
      for (const [name, found] of await alone(pm2)) single.get(name)!.push(found);
    }
    say('the load on one worker alone');
    baseline = (await underLoad(pm2, 1)).stats;
    say('the load on two workers');
    pair = (await underLoad(pm2, 2)).stats;
    for (const [name, way] of Object.entries(WAYS)) {
      say(`under load: ${name}`);
      loaded.set(name, await underLoad(pm2, 2, way));
    }
  } finally {
    await pm2.kill();
  }

  const of = (name: string, field: keyof Alone) => median(single.get(name)!.map((each) => each[field]));
  /** Each to the yardstick of its own round. */
  const ratio = (name: string, field: keyof Alone) =>
    median(single.get(name)!.map((each, at) => each[field] / single.get(YARDSTICK)![at]![field]));

  const goals: Goal[] = OURS.flatMap((name) => [
    { what: `${name}: time, of ${YARDSTICK}`, value: ratio(name, 'ms'), limit: 1.05, unit: '' },
    { what: `${name}: peak memory, of ${YARDSTICK}`, value: ratio(name, 'peakMb'), limit: 1, unit: '' },
    { what: `${name}, under load: failed requests`, value: loaded.get(name)!.stats.failed, limit: 0, unit: '' },
    { what: `${name}, under load: longest request`, value: loaded.get(name)!.stats.maxMs, limit: 1500, unit: 'ms' },
    {
      what: `${name}, under load: p99, of one worker alone`,
      value: loaded.get(name)!.stats.p99Ms / baseline.p99Ms,
      limit: 1.5,
      unit: '',
    },
  ]);

  const seenBy = (what: string, stats: LoadStats, seconds = '') => [
    what,
    seconds,
    String(stats.requests),
    String(stats.failed),
    String(stats.p99Ms),
    (stats.p99Ms / baseline.p99Ms).toFixed(2),
    String(stats.maxMs),
  ];

  report({
    name: 'heapdump',
    machine: facts,
    options,
    sections: [
      {
        title: `One process, dumped in place: ${options.mb} MB of small objects, median of ${options.rounds}`,
        head: ['', 'time s', `of ${YARDSTICK}`, 'loop held s', 'peak RSS MB', `of ${YARDSTICK}`, 'file MB'],
        rows: [...single.keys()].map((name) => [
          name,
          (of(name, 'ms') / 1000).toFixed(2),
          ratio(name, 'ms').toFixed(3),
          (of(name, 'heldMs') / 1000).toFixed(2),
          of(name, 'peakMb').toFixed(0),
          ratio(name, 'peakMb').toFixed(3),
          of(name, 'bytes') === 0 ? 'none' : (of(name, 'bytes') / 2 ** 20).toFixed(0),
        ]),
      },
      {
        title: `One of two workers of ${[...loaded.values()][0]!.heapMb.toFixed(0)} MB heap (${options['cluster-mb']} MB of small objects), ${options.clients} keep-alive clients that never retry`,
        head: ['dumped by', 'took s', 'requests', 'failed', 'p99 ms', 'of one worker', 'longest ms'],
        rows: [
          seenBy('(one worker alone, no dump)', baseline),
          seenBy('(two workers, no dump)', pair),
          ...[...loaded].map(([name, { stats, ms }]) => seenBy(name, stats, (ms / 1000).toFixed(1))),
        ],
      },
    ],
    goals,
    figures: {
      alone: Object.fromEntries(
        [...single.keys()].map((name) => [
          name,
          {
            ms: round(of(name, 'ms')),
            timeRatio: round(ratio(name, 'ms'), 3),
            heldMs: round(of(name, 'heldMs')),
            peakMb: round(of(name, 'peakMb')),
            peakRatio: round(ratio(name, 'peakMb'), 3),
            bytes: of(name, 'bytes'),
          },
        ]),
      ),
      oneWorker: { p99Ms: baseline.p99Ms, maxMs: baseline.maxMs, requests: baseline.requests },
      twoWorkers: { p99Ms: pair.p99Ms, maxMs: pair.maxMs, requests: pair.requests },
      underLoad: Object.fromEntries(
        [...loaded].map(([name, { stats, ms, heapMb }]) => [
          name,
          {
            heapMb: round(heapMb),
            ms: round(ms),
            requests: stats.requests,
            failed: stats.failed,
            failures: stats.failures,
            p99Ms: stats.p99Ms,
            maxMs: stats.maxMs,
          },
        ]),
      ),
    },
  });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
