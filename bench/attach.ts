// What attaching costs, as users have it: how long it takes for one process, how long the app's own event loop is held
// meanwhile, and how soon after `pm2 install` every process of a host is attached.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Attacher, createAttacher, readScript, type Step } from '../module/attach/index.ts';
import { ROOT } from '../testkit/folders.ts';
import { ensureBuilt, packModule } from '../testkit/package.ts';
import { type Holds, type IdleFleet, monotonicMs, probe, startIdleFleet } from './support/fleet.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { quantile, round, type Summary, summary } from './support/stats.ts';

const options = readOptions('bench:attach', {
  processes: { default: 20, help: 'idle processes, half of them cluster workers' },
  many: { default: 50, help: 'processes of the run with many at once' },
  rounds: { default: 3, help: 'times everything is done, on new processes each time' },
  alone: { default: 5, help: 'attaches with no other before it' },
  restarts: { default: 10, help: 'restarted apps to wait for' },
});

/** A guard leaves when nothing was attached for 5 s, so that the next attach has to start one. */
const GUARD_LEAVES_MS = 5_500;
/** An app is watched for as long before its attach as after it began. */
const WATCH_MS = 250;

interface Attach {
  ms: number;
  scriptMs: number;
  /** From one step to the next, in milliseconds. */
  steps: Partial<Record<Step, number>>;
  /** The longest hold of the app's event loop, all holds together, and the same while nothing was attached. */
  longestHoldMs: number;
  holdsMs: number;
  longestHoldBeforeMs: number;
  holdsBeforeMs: number;
}

interface ModuleStart {
  /** From the module's start until the first and until the last agent answered. */
  firstMs: number;
  lastMs: number;
  /** From one agent's answer to the next one's. */
  betweenMs: number[];
}

async function main(): Promise<void> {
  const facts = machine();
  await ensureBuilt();
  const tarball = await packModule();
  say(`${options.processes} idle processes`);
  const fleet = await startIdleFleet(options.processes);
  try {
    // The first one loads what the others find loaded.
    await attachEach(fleet, 1);
    await fleet.restart();
    const inBatch: Attach[] = [];
    const alone: Attach[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      say(`the attacher by itself, round ${round} of ${options.rounds}`);
      if (round > 1) await fleet.restart();
      inBatch.push(...(await attachEach(fleet)));
    }
    await fleet.restart();
    say(`${options.alone} attaches with none before them`);
    alone.push(...(await attachAlone(fleet, options.alone)));

    await fleet.restart();
    const starts = [await moduleStart(fleet, () => fleet.pm2.okWith({ timeoutMs: 120_000 }, 'install', tarball))];
    say(`module start with ${options.processes} processes: ${seconds(starts[0]!.lastMs)}`);
    while (starts.length < options.rounds) starts.push(await restartAll(fleet));
    say(`${options.restarts} apps restarted`);
    const restarts = await restartEach(fleet, options.restarts);
    await fleet.pm2.ok('stop', 'pm2-ops');
    await fleet.grow(options.many - options.processes);
    const many: ModuleStart[] = [];
    while (many.length < options.rounds) many.push(await restartAll(fleet));

    publish(facts, { inBatch, alone, starts, many, restarts });
  } finally {
    await fleet.kill();
  }
}

/** An attacher of our own in place of the module's: the same code, with its own figures. */
function ownAttacher(
  fleet: IdleFleet,
): { attach(pid: number): Promise<Pick<Attach, 'ms' | 'scriptMs' | 'steps'>> } & Pick<Attacher, 'close'> {
  const stateDir = join(fleet.pm2.home, 'bench');
  mkdirSync(stateDir, { recursive: true });
  const leaseFile = join(stateDir, 'lease');
  writeFileSync(leaseFile, '');
  let steps: [Step, number][] = [];
  const attacher = createAttacher({
    stateDir,
    guardScript: join(ROOT, 'dist', 'guard.cjs'),
    log: say,
    onStep: (step) => void steps.push([step, performance.now()]),
  });
  const script = readScript(join(ROOT, 'dist', 'agent.cjs'));
  // As the module's own options, with a lease that lasts for the whole run.
  const agentOptions = {
    version: '0.0.0-bench',
    stateDir,
    leaseFile,
    leaseMs: 3_600_000,
    takenActions: [],
    maxMemoryRestart: 0,
    killTimeoutMs: 1600,
    dumpKeep: 5,
    dumpMaxBytes: 2 ** 31,
  };
  return {
    async attach(pid) {
      steps = [];
      const began = performance.now();
      const result = await attacher.attach(pid, {
        ...script,
        argument: { options: agentOptions, nonce: `bench-${pid}` },
      });
      if (!result.ok) throw new Error(`process ${pid} was not attached: ${result.reason}`);
      const { outcome } = result.value as { outcome: string };
      if (outcome !== 'installed') throw new Error(`process ${pid} had an agent already: ${outcome}`);
      const took: Attach['steps'] = {};
      let last = began;
      for (const [step, at] of steps) {
        took[step] = at - last;
        last = at;
      }
      return { ms: result.ms, scriptMs: result.heldMs, steps: took };
    },
    close: () => attacher.close(),
  };
}

async function attachEach(fleet: IdleFleet, count?: number): Promise<Attach[]> {
  const attacher = ownAttacher(fleet);
  try {
    const attached: Attach[] = [];
    for (const { pid, pm_id } of (await fleet.processes()).slice(0, count))
      attached.push(await attachWatched(fleet, attacher, pid, pm_id));
    return attached;
  } finally {
    await attacher.close();
  }
}

async function attachAlone(fleet: IdleFleet, count: number): Promise<Attach[]> {
  const attached: Attach[] = [];
  for (const { pid, pm_id } of (await fleet.processes()).slice(0, count)) {
    const attacher = ownAttacher(fleet);
    try {
      await sleep(GUARD_LEAVES_MS);
      attached.push(await attachWatched(fleet, attacher, pid, pm_id));
    } finally {
      await attacher.close();
    }
  }
  return attached;
}

async function attachWatched(
  fleet: IdleFleet,
  attacher: ReturnType<typeof ownAttacher>,
  pid: number,
  pmId: number,
): Promise<Attach> {
  const watched = await probe(fleet.pm2, pmId);
  await sleep(2 * WATCH_MS);
  const began = monotonicMs();
  const attached = await attacher.attach(pid);
  await sleep(Math.max(0, WATCH_MS - (monotonicMs() - began)));
  const windowMs = monotonicMs() - began;
  const holds = await watched.stop();
  // The first moments are those of the request that started the probe.
  const before = within(holds, began - WATCH_MS, began);
  const during = within(holds, began, began + windowMs);
  return {
    ...attached,
    longestHoldMs: longest(during),
    holdsMs: total(during),
    longestHoldBeforeMs: longest(before),
    holdsBeforeMs: total(before) * (windowMs / WATCH_MS),
  };
}

/** Starts the module while no process has an agent, and waits for all of them. */
async function moduleStart(fleet: IdleFleet, start: () => Promise<unknown>): Promise<ModuleStart> {
  const ids = (await fleet.processes()).map(({ pm_id }) => pm_id);
  fleet.helloAt.clear();
  await Promise.all([start(), fleet.untilAnswered(ids)]);
  const started = fleet.moduleStartedAt();
  const answers = ids.map((id) => fleet.helloAt.get(id)! - started).sort((a, b) => a - b);
  return {
    firstMs: answers[0]!,
    lastMs: answers.at(-1)!,
    betweenMs: answers.slice(1).map((at, index) => at - answers[index]!),
  };
}

async function restartAll(fleet: IdleFleet): Promise<ModuleStart> {
  await fleet.pm2.run('stop', 'pm2-ops');
  await fleet.restart();
  const started = await moduleStart(fleet, () => fleet.pm2.ok('start', 'pm2-ops'));
  say(`module start with ${started.betweenMs.length + 1} processes: ${seconds(started.lastMs)}`);
  return started;
}

/** From the first idle moment of a restarted app until its agent answers, in milliseconds. */
async function restartEach(fleet: IdleFleet, count: number): Promise<number[]> {
  const waits: number[] = [];
  for (const { pm_id: pmId } of (await fleet.processes()).slice(0, count)) {
    await sleep(GUARD_LEAVES_MS);
    fleet.idleAt.delete(pmId);
    fleet.helloAt.delete(pmId);
    await fleet.pm2.ok('restart', String(pmId));
    await fleet.untilAnswered([pmId]);
    waits.push(fleet.helloAt.get(pmId)! - fleet.idleAt.get(pmId)!);
  }
  return waits;
}

interface Outcome {
  inBatch: Attach[];
  alone: Attach[];
  starts: ModuleStart[];
  many: ModuleStart[];
  restarts: number[];
}

function publish(facts: ReturnType<typeof machine>, { inBatch, alone, starts, many, restarts }: Outcome): void {
  const rows = (of: Attach[], where: string) => [
    timeRow(
      `attach, ${where}`,
      of.map(({ ms }) => ms),
    ),
    timeRow(
      '  the agent takes of it',
      of.map(({ scriptMs }) => scriptMs),
    ),
    timeRow('  inspector open', of.map(inspectorOpenMs)),
    timeRow(
      '  event loop held, longest',
      of.map(({ longestHoldMs }) => longestHoldMs),
    ),
    timeRow(
      '  event loop held, in all',
      of.map(({ holdsMs }) => holdsMs),
    ),
  ];
  const stepNames = Object.keys(inBatch[0]?.steps ?? {}) as Step[];
  const figures = {
    attachMs: summary(inBatch.map(({ ms }) => ms)),
    attachAloneMs: summary(alone.map(({ ms }) => ms)),
    agentMs: summary(inBatch.map(({ scriptMs }) => scriptMs)),
    inspectorOpenMs: summary(inBatch.map(inspectorOpenMs)),
    longestHoldMs: summary(inBatch.map(({ longestHoldMs }) => longestHoldMs)),
    longestHoldWithoutMs: summary(inBatch.map(({ longestHoldBeforeMs }) => longestHoldBeforeMs)),
    holdsMs: summary(inBatch.map(({ holdsMs }) => holdsMs)),
    holdsWithoutMs: summary(inBatch.map(({ holdsBeforeMs }) => holdsBeforeMs)),
    stepsMs: Object.fromEntries(stepNames.map((step) => [step, stepSummary(inBatch, step).median])),
    betweenAnswersMs: summary(starts.flatMap(({ betweenMs }) => betweenMs)),
    moduleStart: startFigures(options.processes, starts),
    moduleStartMany: startFigures(options.many, many),
    restartedAppMs: summary(restarts),
  };
  report({
    name: 'attach',
    machine: facts,
    options,
    sections: [
      {
        title: 'One process, milliseconds (the attacher by itself; the app watches its own event loop)',
        head: TIME_HEAD,
        rows: [
          ...rows(inBatch, 'one after the other'),
          timeRow(
            '  held without an attach, longest',
            inBatch.map(({ longestHoldBeforeMs }) => longestHoldBeforeMs),
          ),
          timeRow(
            '  held without an attach, in all',
            inBatch.map(({ holdsBeforeMs }) => holdsBeforeMs),
          ),
          ...rows(alone, 'alone (starts its guard)'),
        ],
      },
      {
        title: 'Where the time of one attach goes, milliseconds until each step',
        head: TIME_HEAD,
        rows: stepNames.map((step) =>
          timeRow(
            step,
            inBatch.map(({ steps }) => steps[step] ?? Number.NaN),
          ),
        ),
      },
      {
        title: 'The module, seen from outside, milliseconds',
        head: TIME_HEAD,
        rows: [
          timeRow(
            'from one agent answering to the next',
            starts.flatMap(({ betweenMs }) => betweenMs),
          ),
          timeRow(
            `module start → first of ${options.processes} attached`,
            starts.map(({ firstMs }) => firstMs),
          ),
          timeRow(
            `module start → last of ${options.processes} attached`,
            starts.map(({ lastMs }) => lastMs),
          ),
          timeRow(
            `module start → last of ${options.many} attached`,
            many.map(({ lastMs }) => lastMs),
          ),
          timeRow('restarted app: first idle → attached', restarts),
        ],
      },
    ],
    goals: [
      { what: 'attach, median', value: figures.attachMs.median, limit: 60, unit: 'ms' },
      { what: 'event loop held at once, p95', value: figures.longestHoldMs.p95, limit: 15, unit: 'ms' },
      {
        what: `${options.many} processes, median`,
        value: figures.moduleStartMany.lastMs.median / 1000,
        limit: 5,
        unit: 's',
      },
      { what: 'restarted app attached again, longest', value: figures.restartedAppMs.max, limit: 1000, unit: 'ms' },
    ],
    figures,
  });
}

const TIME_HEAD = ['what', 'median', 'p95', 'min', 'max', 'n'];

function timeRow(what: string, values: number[]): string[] {
  const { n, median, p95, min, max } = summary(values);
  return [what, ...[median, p95, min, max].map((value) => value.toFixed(value < 100 ? 1 : 0)), String(n)];
}

function startFigures(
  processes: number,
  starts: ModuleStart[],
): { processes: number; firstMs: Summary; lastMs: Summary } {
  return {
    processes,
    firstMs: summary(starts.map(({ firstMs }) => firstMs)),
    lastMs: summary(starts.map(({ lastMs }) => lastMs)),
  };
}

function stepSummary(attached: Attach[], step: Step): Summary {
  return summary(attached.map(({ steps }) => steps[step] ?? Number.NaN));
}

function inspectorOpenMs({ steps }: Attach): number {
  const since: Step[] = ['opened', 'connected', 'proven', 'loaded', 'left', 'closed'];
  return since.slice(1).reduce((sum, step) => sum + (steps[step] ?? Number.NaN), 0);
}

function within(holds: Holds, from: number, to: number): Holds {
  return holds.filter(([at, heldMs]) => at + heldMs > from && at < to);
}

function longest(holds: Holds): number {
  return quantile([0, ...holds.map(([, heldMs]) => heldMs)], 1);
}

function total(holds: Holds): number {
  return holds.reduce((sum, [, heldMs]) => sum + heldMs, 0);
}

function seconds(ms: number): string {
  return `${round(ms / 1000)} s`;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
