// What the agent costs a server under load: CPU time per request of a raw http hello-world, with it and without it,
// beside the libraries that instrument a PM2 app. All servers live through the whole run and take turns, so that
// whatever else happens on the machine happens to each of them.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, WORKSPACE } from '../testkit/folders.ts';
import { get } from '../testkit/load.ts';
import { packModule } from '../testkit/package.ts';
import { type Pm2, startPm2 } from '../testkit/pm2.ts';
import { untilAttached } from '../testkit/status.ts';
import { freePort, waitFor } from '../testkit/wait-for.ts';
import { type LoadProcess, pin, startLoadProcess } from './support/load.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { median, medianInterval, quantile, round } from './support/stats.ts';

const options = readOptions('bench:overhead', {
  batches: { default: 5, help: 'times all servers are started anew: each process has luck of its own' },
  rounds: { default: 25, help: 'turns of every server in a batch' },
  // Short turns: a disturbance from outside then meets all servers of a round, or spoils one round of many.
  requests: { default: 8_000, help: 'in a turn' },
  warmup: { default: 40_000, help: 'requests to a server before its first turn' },
  connections: { default: 16, help: 'at a time' },
});

interface Variant {
  name: string;
  what: string;
  /** What it is compared with. */
  against?: string;
  instrument?: '@pm2/io' | 'pmx';
  /** PM2 puts its own copy of @pm2/io into every app unless the app's configuration says `pmx: false`. */
  pm2Io?: boolean;
  attached?: boolean;
  keepAliveOff?: boolean;
  /** Clients that close each connection. */
  closing?: boolean;
}

const VARIANTS: Variant[] = [
  { name: 'bare', what: 'nothing (pmx: false)' },
  { name: 'bare-again', what: 'nothing, once more: the noise', against: 'bare' },
  { name: 'ops', what: 'pm2-ops', against: 'bare', attached: true },
  { name: 'io', what: '@pm2/io, init()', against: 'bare', instrument: '@pm2/io' },
  { name: 'pmx', what: 'pmx, init({ http: true })', against: 'bare', instrument: 'pmx' },
  { name: 'standard', what: 'PM2 as it comes (injects @pm2/io)', against: 'bare', pm2Io: true },
  { name: 'standard-ops', what: 'PM2 as it comes + pm2-ops', against: 'standard', pm2Io: true, attached: true },
  { name: 'closing', what: 'nothing, clients close', closing: true },
  { name: 'ops-closing', what: 'pm2-ops, keep-alive disabled', against: 'closing', attached: true, keepAliveOff: true },
];

/** Connections cost ten times as much as requests: a turn with them is shorter by this. */
const FEWER_WHEN_CLOSING = 5;

const SERVER_CORE = 0;
const LOAD_CORE = 1;

/** CPU microseconds per request by variant: an array per batch, a figure per round. */
type Samples = Map<string, number[][]>;

async function main(): Promise<void> {
  const facts = machine();
  const pm2 = await startPm2();
  const load = await startLoadProcess();
  try {
    const ports = await startServers(pm2);
    const attached = VARIANTS.filter((variant) => variant.attached).map(({ name }) => name);
    await pm2.run('set', 'pm2-ops:include', attached.join(','));
    await pm2.okWith({ timeoutMs: 120_000 }, 'install', await packModule());
    const samples: Samples = new Map(VARIANTS.map(({ name }) => [name, []]));
    let pinned = true;
    for (let batch = 0; batch < options.batches; batch++) {
      if (batch > 0) await pm2.okWith({ timeoutMs: 120_000 }, 'restart', ...VARIANTS.map(({ name }) => name));
      pinned = (await prepare(pm2, load, ports, attached)) && pinned;
      await runBatch(load, ports, samples);
      say(`batch ${batch + 1} of ${options.batches}: pm2-ops ${ratioText(ratios(samples, variant('ops')).slice(-1))}`);
    }
    publish(facts, samples, pinned);
  } finally {
    load.stop();
    await pm2.kill();
  }
}

async function startServers(pm2: Pm2): Promise<Map<string, number>> {
  const ports = new Map<string, number>();
  for (const { name } of VARIANTS) ports.set(name, await freePort());
  await pm2.startApp(
    VARIANTS.map(({ name, instrument, pm2Io }) => ({
      name,
      script: join(ROOT, 'bench', 'apps', 'hello.cjs'),
      ...(pm2Io ? {} : { pmx: false }),
      env: { PORT: ports.get(name), PEERS: WORKSPACE, INSTRUMENT: instrument ?? '' },
    })),
  );
  return ports;
}

/** All servers up, attached and warm. @returns whether servers and load are on cores of their own */
async function prepare(pm2: Pm2, load: LoadProcess, ports: Map<string, number>, attached: string[]): Promise<boolean> {
  const pids: number[] = [];
  for (const { name } of VARIANTS) {
    await waitFor(() => get({ port: ports.get(name)! }), { what: `${name} to answer`, timeoutMs: 30_000 });
    pids.push((await pm2.process(name)).pid);
  }
  for (const name of attached) await untilAttached(pm2, name);
  await assertOnlyTheseAttached(pm2, attached);
  const pinned = (await pin(pids, SERVER_CORE)) && (await pin([load.pid], LOAD_CORE));
  for (const { name, keepAliveOff } of VARIANTS) {
    await turn(load, ports.get(name)!, false, options.warmup);
    if (!keepAliveOff) continue;
    const reply = await pm2.triggerOne<{ ok: boolean }>(name, 'disable-keepalive');
    if (!reply.ok) throw new Error(`keep-alive of ${name} was not disabled: ${JSON.stringify(reply)}`);
  }
  await sleep(1000);
  return pinned;
}

async function assertOnlyTheseAttached(pm2: Pm2, attached: string[]): Promise<void> {
  const ours = (await pm2.list())
    .filter(({ pm2_env }) => pm2_env.axm_actions?.some(({ action_name }) => action_name === 'ops-status'))
    .map(({ name }) => name);
  const wrong = ours.filter((name) => !attached.includes(name));
  if (wrong.length > 0) throw new Error(`attached as well: ${wrong.join(', ')}`);
}

async function runBatch(load: LoadProcess, ports: Map<string, number>, samples: Samples): Promise<void> {
  for (const of of samples.values()) of.push([]);
  for (let round = 0; round < options.rounds; round++) {
    // Another one begins each round, so that none is always the first or behind the same neighbour.
    const order = round % 2 === 0 ? rotate(VARIANTS, round) : rotate(VARIANTS, round).toReversed();
    for (const { name, closing = false, keepAliveOff = false } of order) {
      const requests = closing || keepAliveOff ? options.requests / FEWER_WHEN_CLOSING : options.requests;
      samples
        .get(name)!
        .at(-1)!
        .push(await turn(load, ports.get(name)!, closing, requests));
    }
  }
}

/** One turn of one server. @returns its CPU time per request in microseconds */
async function turn(load: LoadProcess, port: number, closing: boolean, requests: number): Promise<number> {
  const cpu = async () => Number((await get({ port, path: '/cpu' })).body);
  const before = await cpu();
  await load.slice({ port, requests, connections: options.connections, closing });
  return ((await cpu()) - before) / requests;
}

function rotate<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function variant(name: string): Variant {
  return VARIANTS.find((candidate) => candidate.name === name)!;
}

/** CPU time per request of a variant divided by that of what it is compared with, in the same round. */
function ratios(samples: Samples, { name, against = name }: Variant): number[][] {
  const base = samples.get(against)!;
  return samples.get(name)!.map((batch, at) => batch.map((value, round) => value / base[at]![round]!));
}

function ratioText(of: number[][]): string {
  const all = of.flat();
  return `× ${median(all).toFixed(3)} (${quantile(all, 0).toFixed(3)} to ${quantile(all, 1).toFixed(3)})`;
}

function publish(facts: ReturnType<typeof machine>, samples: Samples, pinned: boolean): void {
  const figures = Object.fromEntries(
    VARIANTS.map((entry) => {
      const all = samples.get(entry.name)!.flat();
      const own = { what: entry.what, cpuUsPerRequest: round(median(all)) };
      if (!entry.against) return [entry.name, own];
      const of = ratios(samples, entry);
      const [low, high] = medianInterval(of);
      const ratio = { median: round(median(of.flat()), 4), low: round(low, 4), high: round(high, 4) };
      const range = { min: round(quantile(of.flat(), 0), 4), max: round(quantile(of.flat(), 1), 4) };
      return [entry.name, { ...own, against: entry.against, ratio: { ...ratio, ...range } }];
    }),
  ) as Record<string, { what: string; cpuUsPerRequest: number; against?: string; ratio?: Ratio }>;
  const rows = VARIANTS.map(({ name, what, against }) => {
    const { cpuUsPerRequest, ratio } = figures[name]!;
    const cells = ratio
      ? [ratio.median, ratio.low, ratio.high, ratio.min, ratio.max].map((value) => value.toFixed(3))
      : ['1', '', '', '', ''];
    const [middle, low, high, min, max] = cells;
    return [what, cpuUsPerRequest.toFixed(1), middle!, low && `${low} … ${high}`, min && `${min} … ${max}`].concat(
      against ? `to: ${variant(against).what}` : '',
    ) as string[];
  });
  report({
    name: 'overhead',
    machine: facts,
    options,
    sections: [
      {
        title:
          'Server CPU time per request, hello-world over keep-alive' +
          ` (${pinned ? 'servers and load on cores of their own' : 'not pinned to cores'})`,
        head: ['server', 'µs/request', 'ratio', '95 % interval', 'min … max', ''],
        rows,
      },
    ],
    goals: [
      { what: 'pm2-ops to nothing', value: figures.ops!.ratio!.median, limit: 1.02, unit: '' },
      { what: 'PM2 + pm2-ops to PM2', value: figures['standard-ops']!.ratio!.median, limit: 1.02, unit: '' },
    ],
    figures: { pinned, servers: figures },
  });
}

interface Ratio {
  median: number;
  low: number;
  high: number;
  min: number;
  max: number;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
