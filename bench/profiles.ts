// What a profile and a leak report cost the app that is looked at: its CPU per request and its longest pauses while one runs,
// beside the same load without one, in turns.

import { setTimeout as sleep } from 'node:timers/promises';
import { startAgentProcess } from '../testkit/agentProcess.ts';
import { app, tempFolder } from '../testkit/folders.ts';
import { startLoad, untilServing } from '../testkit/load.ts';
import { ensureBuilt } from '../testkit/package.ts';
import { freePort } from '../testkit/wait-for.ts';
import { cpuMs } from './support/cost.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { median, round } from './support/stats.ts';

const options = readOptions('bench:profiles', {
  seconds: { default: 60, help: 'of each measurement' },
  rounds: { default: 3, help: 'times everything is done' },
  clients: { default: 16, help: 'keep-alive clients' },
  pause: { default: 20, help: 'milliseconds between two requests of a client' },
  app: { default: 'leaks/big-heap.cjs', help: 'fixture app, of test/apps' },
  node: { default: process.execPath, help: 'Node binary of the app' },
});

const ACTIONS = ['none', 'leak-report', 'heap-profile', 'cpu-profile'] as const;
type Name = (typeof ACTIONS)[number];

interface Measured {
  /** Of one core, for all of the process. */
  cpuPercent: number;
  cpuMsPerRequest: number;
  longestMs: number;
  p99Ms: number;
}

async function main(): Promise<void> {
  const facts = machine();
  await ensureBuilt();
  const port = await freePort();
  const agent = await startAgentProcess(app(options.app), {
    stateDir: tempFolder(),
    node: options.node,
    env: { PORT: String(port) },
  });
  try {
    await untilServing({ port });
    const load = startLoad({ port, clients: options.clients, pauseMs: options.pause });
    await sleep(10_000);
    const results = Object.fromEntries(ACTIONS.map((name) => [name, [] as Measured[]])) as Record<Name, Measured[]>;
    for (let round = 1; round <= options.rounds; round++) {
      for (const name of ACTIONS) {
        say(`${name}, round ${round} of ${options.rounds}`);
        const pid = agent.child.pid!;
        load.phase();
        const before = cpuMs(pid);
        const began = performance.now();
        if (name === 'none') await sleep(options.seconds * 1000);
        else {
          const reply = await agent.run<{ ok: boolean }>(
            name,
            { seconds: options.seconds },
            options.seconds * 2000 + 60_000,
          );
          if (!reply.ok) throw new Error(JSON.stringify(reply));
        }
        const usedMs = cpuMs(pid) - before;
        const { requests, maxMs, p99Ms } = load.phase();
        results[name].push({
          cpuPercent: (usedMs / (performance.now() - began)) * 100,
          cpuMsPerRequest: usedMs / requests,
          longestMs: maxMs,
          p99Ms,
        });
      }
    }
    await load.stop();
    publish(facts, results);
  } finally {
    agent.kill();
  }
}

function publish(facts: ReturnType<typeof machine>, results: Record<Name, Measured[]>): void {
  const of = (name: Name, field: keyof Measured) => median(results[name].map((each) => Number(each[field])));
  const more = (name: Name) =>
    median(results[name].map(({ cpuPercent }, i) => cpuPercent - results.none[i]!.cpuPercent));
  report({
    name: 'profiles',
    machine: facts,
    options,
    sections: [
      {
        title: `While one runs, ${options.seconds} s each (medians of ${options.rounds} rounds)`,
        head: ['what', 'CPU of one core', 'more than without', 'CPU per request', 'p99', 'longest request'],
        rows: ACTIONS.map((name) => [
          name,
          `${of(name, 'cpuPercent').toFixed(1)} %`,
          name === 'none' ? '' : `${more(name).toFixed(1)} %`,
          `${of(name, 'cpuMsPerRequest').toFixed(2)} ms`,
          `${of(name, 'p99Ms').toFixed(0)} ms`,
          `${of(name, 'longestMs').toFixed(0)} ms`,
        ]),
      },
    ],
    goals: [{ what: 'CPU that a leak report takes', value: more('leak-report'), limit: 3, unit: '%' }],
    figures: Object.fromEntries(
      ACTIONS.map((name) => [
        name,
        {
          cpuPercent: round(of(name, 'cpuPercent')),
          morePercent: name === 'none' ? 0 : round(more(name)),
          longestMs: round(of(name, 'longestMs')),
          p99Ms: round(of(name, 'p99Ms')),
        },
      ]),
    ),
  });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
