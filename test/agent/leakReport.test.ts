import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentProcess, startAgentProcess } from '../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { startLoad, untilServing } from '../../testkit/load.ts';
import { ensureBuilt } from '../../testkit/package.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

interface LeakReport {
  ok: boolean;
  verdict: 'growing' | 'steady' | 'unclear';
  reason: string;
  growth: { bytesPerMinute: number; bytesPerRequest: number | null; requests: number };
  sites: { function: string; file: string; line: number }[];
  file: string;
  collections: number;
}

const RUNS = 10;
const SECONDS = 12;
/** What a run serves in a second or two on a machine that has nothing else to do. */
const ENOUGH_REQUESTS = 30;
/** So many at a time that two cores are busy and no more. */
const AT_ONCE = 30;

/** Where what leaks is allocated: the function, and the function in it that makes the most of it. */
const LEAKS: Record<string, number[]> = { array: [6, 11], listener: [7, 8], cache: [12, 13] };
const STEADY = ['steady-cache', 'big-heap', 'bursts'];

describe('leak-report', () => {
  const processes: AgentProcess[] = [];
  after(() => {
    for (const each of processes) each.kill();
  });

  it('names the line of three real leaks, and takes three apps that do not leak for none, ten times each', async (t) => {
    await ensureBuilt();
    const names = [...Object.keys(LEAKS), ...STEADY];
    const waiting = Array.from({ length: RUNS }, () => names).flat();
    const runs: Run[] = [];
    while (waiting.length > 0) {
      const wave = waiting.splice(0, AT_ONCE);
      runs.push(...(await Promise.all(wave.map((name) => reportUnderLoad(name, processes)))));
    }
    t.diagnostic(table(names, runs));
    const leaks = runs.filter(({ name }) => !STEADY.includes(name));
    for (const { name, report } of runs) {
      const said = `${name}: ${JSON.stringify(report, null, 1)}`;
      if (STEADY.includes(name)) assert.notEqual(report.verdict, 'growing', said);
      else {
        assert.notEqual(report.verdict, 'steady', said);
        // An app that had no CPU time to serve anybody has not leaked yet.
        if (report.growth.requests >= ENOUGH_REQUESTS) assert.equal(report.verdict, 'growing', said);
        const named = report.sites.slice(0, 3).filter(({ file }) => basename(file) === `${name}.cjs`);
        assert.ok(
          named.some(({ line }) => LEAKS[name]!.includes(line)),
          said,
        );
      }
    }
    const found = leaks.filter(({ report }) => report.verdict === 'growing').length;
    assert.ok(found > leaks.length / 2, `only ${found} of ${leaks.length} leaks were found`);
    const steady = runs.filter(({ name, report }) => STEADY.includes(name) && report.verdict === 'steady');
    assert.ok(steady.length >= RUNS, `only ${steady.length} were called steady`);
  });
});

interface Run {
  name: string;
  report: LeakReport;
}

async function reportUnderLoad(name: string, processes: AgentProcess[]): Promise<Run> {
  const port = await freePort();
  const stateDir = tempFolder();
  const agent = await startAgentProcess(app(`leaks/${name}.cjs`), {
    stateDir,
    // Threads of thirty collectors would only wait for each other.
    flags: ['--single-threaded-gc'],
    env: { PORT: String(port) },
  });
  processes.push(agent);
  await untilServing({ port }, 60_000);
  // Code that runs for the first time is compiled, and what is compiled stays.
  const warmUp = startLoad({ port, clients: 4 });
  await waitFor(() => warmUp.counts().requests > 60, { what: `60 requests to ${name}`, timeoutMs: 120_000 });
  await warmUp.stop();
  let over = false;
  const load = (async () => {
    while (!over) {
      const clients = startLoad({ port, clients: 2, pauseMs: [100, 300] });
      do await sleep(1000 + Math.random() * 1000);
      while (name !== 'bursts' && !over);
      await clients.stop();
      if (name === 'bursts') await sleep(1000 + Math.random() * 1000);
    }
  })();
  try {
    const report = await agent.run<LeakReport>('leak-report', { seconds: SECONDS }, 120_000);
    return { name, report };
  } finally {
    over = true;
    await load;
    agent.kill();
  }
}

function table(names: string[], runs: Run[]): string {
  const rows = names.map((name) => {
    const own = runs.filter((run) => run.name === name).map(({ report }) => report);
    const count = (verdict: string) => String(own.filter((report) => report.verdict === verdict).length).padStart(7);
    const mb = own.map(({ growth }) => growth?.bytesPerMinute / 2 ** 20).sort((a, b) => a - b);
    const range = `${mb[0]?.toFixed(1)} to ${mb.at(-1)?.toFixed(1)} MB/min`;
    return `${name.padEnd(14)}${['growing', 'steady', 'unclear'].map(count).join('  ')}  ${range}`;
  });
  return [`leak-report, ${RUNS} runs of ${SECONDS} s each`, '              growing   steady  unclear', ...rows].join(
    '\n',
  );
}
