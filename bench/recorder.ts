// What the flight recorder costs: an app for each request and while it is idle, and the module for each process whose figures it reads.
// The app without it is the same app whose agent has left, so the figures are those of the whole agent.

import { setTimeout as sleep } from 'node:timers/promises';
import { openRing } from '../agent/flight/ring.ts';
import { FIGURES, FIGURES_FOLDER, type FigureSample, figuresName, RING_SLOTS } from '../contract/figures.ts';
import { readRing } from '../module/figures/ring.ts';
import { type AgentProcess, startAgentProcess } from '../testkit/agentProcess.ts';
import { ROOT, tempFolder } from '../testkit/folders.ts';
import { get, untilServing } from '../testkit/load.ts';
import { freePort } from '../testkit/wait-for.ts';
import { type LoadProcess, pin, startLoadProcess } from './support/load.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { median, medianInterval, round } from './support/stats.ts';

const options = readOptions('bench:recorder', {
  batches: { default: 5, help: 'times both servers are started anew: each process has luck of its own' },
  rounds: { default: 20, help: 'turns of both servers in a batch' },
  requests: { default: 5_000, help: 'in a turn' },
  warmup: { default: 30_000, help: 'requests to a server before its first turn' },
  connections: { default: 16, help: 'at a time' },
  idle: { default: 60, help: 'seconds that both servers are watched while nothing happens' },
  processes: { default: 200, help: 'processes whose figures the module reads' },
});

const SERVER_CORE = 0;
const LOAD_CORE = 1;
/** What the requests of a second are set against. */
const REQUESTS_A_SECOND = 1_000;
/** The module reads an idle process's file this often. */
const READ_EVERY_S = 6;

interface Server extends AgentProcess {
  port: number;
  /** CPU time so far, in microseconds. */
  cpuUs(): Promise<number>;
}

async function main(): Promise<void> {
  const facts = machine();
  const load = await startLoadProcess();
  const more: number[][] = [];
  const ratios: number[][] = [];
  let idle = { with: 0, without: 0 };
  try {
    for (let batch = 0; batch < options.batches; batch++) {
      const servers = { with: await startServer(true), without: await startServer(false) };
      const pids = [servers.with.child.pid!, servers.without.child.pid!];
      await pin(pids, SERVER_CORE);
      await pin([load.pid], LOAD_CORE);
      for (const server of Object.values(servers)) await turn(load, server, options.warmup);
      more.push([]);
      ratios.push([]);
      for (let at = 0; at < options.rounds; at++) {
        const first = at % 2 === 0 ? servers.with : servers.without;
        const second = at % 2 === 0 ? servers.without : servers.with;
        const us = new Map([[first, await turn(load, first, options.requests)]]);
        us.set(second, await turn(load, second, options.requests));
        more.at(-1)!.push(us.get(servers.with)! - us.get(servers.without)!);
        ratios.at(-1)!.push(us.get(servers.with)! / us.get(servers.without)!);
      }
      say(`batch ${batch + 1} of ${options.batches}: ${median(more.at(-1)!).toFixed(2)} µs more for a request`);
      if (batch === options.batches - 1) idle = await watchIdle(servers);
      for (const server of Object.values(servers)) server.kill();
    }
  } finally {
    load.stop();
  }
  publish(facts, more, ratios, idle, readingUs());
}

async function startServer(recorded: boolean): Promise<Server> {
  const port = await freePort();
  const started = await startAgentProcess(`${ROOT}/bench/apps/hello.cjs`, {
    stateDir: tempFolder(),
    env: { PORT: String(port), PEERS: ROOT },
  });
  if (!recorded) started.detach();
  await untilServing({ port });
  return { ...started, port, cpuUs: async () => Number((await get({ port, path: '/cpu' })).body) };
}

/** One turn of one server. @returns its CPU time per request in microseconds */
async function turn(load: LoadProcess, { port, cpuUs }: Server, requests: number): Promise<number> {
  const before = await cpuUs();
  await load.slice({ port, requests, connections: options.connections, closing: false });
  return ((await cpuUs()) - before) / requests;
}

/** Both in percent of a core, over the same time. */
async function watchIdle(servers: { with: Server; without: Server }): Promise<{ with: number; without: number }> {
  say(`idle for ${options.idle} s`);
  // The last requests leave something to do.
  await sleep(6_000);
  const before = { with: await servers.with.cpuUs(), without: await servers.without.cpuUs() };
  await sleep(options.idle * 1_000);
  const percent = (us: number) => (us / (options.idle * 1e6)) * 100;
  return {
    with: percent((await servers.with.cpuUs()) - before.with),
    without: percent((await servers.without.cpuUs()) - before.without),
  };
}

/** The time that reading one process's new samples takes, in microseconds. */
function readingUs(): number {
  const folder = tempFolder();
  const nothing = Object.fromEntries(FIGURES.map((name) => [name, 0])) as FigureSample;
  const files = Array.from({ length: options.processes }, (_, index) => {
    const ring = openRing(folder, index + 1, 1);
    for (let at = 1; at <= RING_SLOTS; at++) ring.put({ ...nothing, at });
    return `${folder}/${FIGURES_FOLDER}/${figuresName(index + 1, 1)}`;
  });
  const times = Array.from({ length: 50 }, () => {
    const began = performance.now();
    for (const file of files) readRing(file, RING_SLOTS - 1);
    return ((performance.now() - began) / files.length) * 1_000;
  });
  return median(times);
}

function publish(
  facts: ReturnType<typeof machine>,
  more: number[][],
  ratios: number[][],
  idle: { with: number; without: number },
  readUs: number,
): void {
  const moreUs = median(more.flat());
  const ratio = median(ratios.flat());
  const share = (us: number) => (us * REQUESTS_A_SECOND) / 1e4;
  const [low, high] = medianInterval(more);
  const [ratioLow, ratioHigh] = medianInterval(ratios);
  const reading = (readUs * options.processes) / (READ_EVERY_S * 1e4);
  report({
    name: 'recorder',
    machine: facts,
    options,
    sections: [
      {
        title: 'With the agent and its flight recorder, beside the same app without',
        head: ['what', 'median', '95 % interval'],
        rows: [
          ['CPU time more for a request', `${moreUs.toFixed(2)} µs`, `${low.toFixed(2)} … ${high.toFixed(2)}`],
          [
            `the same at ${REQUESTS_A_SECOND} requests a second, of a core`,
            `${share(moreUs).toFixed(2)} %`,
            `${share(low).toFixed(2)} … ${share(high).toFixed(2)}`,
          ],
          ['ratio, hello-world at full speed', ratio.toFixed(3), `${ratioLow.toFixed(3)} … ${ratioHigh.toFixed(3)}`],
          ['an idle app, of a core', `${idle.with.toFixed(3)} %`, `without ${idle.without.toFixed(3)} %`],
          ['the module reads one process', `${readUs.toFixed(1)} µs`, ''],
          [`${options.processes} idle processes, of a core`, `${reading.toFixed(3)} %`, ''],
        ],
      },
    ],
    goals: [
      { what: `a core at ${REQUESTS_A_SECOND} requests a second`, value: share(moreUs), limit: 0.5, unit: '%' },
      { what: 'an idle app', value: idle.with - idle.without, limit: 0.2, unit: '%' },
      { what: `the module for ${options.processes} processes`, value: reading, limit: 1, unit: '%' },
    ],
    figures: {
      moreUsPerRequest: { median: round(moreUs), low: round(low), high: round(high) },
      ratio: { median: round(ratio, 4), low: round(ratioLow, 4), high: round(ratioHigh, 4) },
      idlePercent: { with: round(idle.with, 4), without: round(idle.without, 4) },
      readUs: round(readUs),
    },
  });
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
