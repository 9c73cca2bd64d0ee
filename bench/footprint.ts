// What pm2-ops costs a host on which nothing happens: memory and CPU time of the module's process, of PM2's daemon and
// of the apps, with it and without it, beside a module that does nothing at all.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnvironment } from '../testkit/environment.ts';
import { ROOT, tempFolder } from '../testkit/folders.ts';
import { packModule } from '../testkit/package.ts';
import { runOk } from '../testkit/run.ts';
import { type Cost, costs } from './support/cost.ts';
import { startIdleFleet } from './support/fleet.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { median, round } from './support/stats.ts';

const options = readOptions('bench:footprint', {
  processes: { default: 20, help: 'attached processes, half of them cluster workers' },
  seconds: { default: 60, help: 'length of each measurement' },
  rounds: { default: 3, help: 'measurements with pm2-ops, each of a new module process that has attached all of them' },
  grown: { default: 150, help: 'attached processes at the end, for what each further one costs the module' },
  settle: { default: 15, help: 'seconds to rest after everything has started' },
});

async function main(): Promise<void> {
  const facts = machine();
  const [tarball, empty] = await Promise.all([packModule(), packEmptyModule()]);
  say(`${options.processes} idle processes`);
  const fleet = await startIdleFleet(options.processes);
  const { pm2 } = fleet;
  const pidsOf = async (name: string) => [(await pm2.process(name)).pid];
  const measure = async <Name extends string>(of: Record<Name, number[]>) => {
    await sleep(options.settle * 1000);
    return costs(of, options.seconds);
  };
  const others = async () => ({
    emptyModule: await pidsOf('empty-module'),
    daemon: [pm2.daemonPid()],
    apps: (await fleet.processes()).map(({ pid }) => pid),
  });
  try {
    await pm2.okWith({ timeoutMs: 120_000 }, 'install', empty);
    await pm2.online('empty-module');
    say('without pm2-ops');
    const without = await measure(await others());

    const rounds: Record<'module' | 'emptyModule' | 'daemon' | 'apps', Cost[]>[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      if (round === 1) await pm2.okWith({ timeoutMs: 120_000 }, 'install', tarball);
      else {
        await pm2.ok('stop', 'pm2-ops');
        await fleet.restart();
        await pm2.ok('start', 'pm2-ops');
      }
      await fleet.untilAnswered((await fleet.processes()).map(({ pm_id }) => pm_id));
      say(`with pm2-ops, round ${round} of ${options.rounds}`);
      rounds.push(await measure({ module: await pidsOf('pm2-ops'), ...(await others()) }));
    }

    say(`with ${options.grown} processes`);
    await fleet.grow(options.grown - options.processes);
    await fleet.untilAnswered(
      (await fleet.processes()).map(({ pm_id }) => pm_id),
      300_000,
    );
    const grown = typical((await measure({ module: await pidsOf('pm2-ops') })).module);

    const over = (pick: (of: (typeof rounds)[number]) => Cost[]) => typical(rounds.flatMap(pick));
    const figures = {
      module: over(({ module }) => module),
      emptyModule: over(({ emptyModule }) => emptyModule),
      daemon: { without: typical(without.daemon), with: over(({ daemon }) => daemon) },
      app: { without: typical(without.apps), with: over(({ apps }) => apps) },
      grown,
    };
    const perProcessMb = round((grown.rssMb - figures.module.rssMb) / (options.grown - options.processes), 3);
    report({
      name: 'footprint',
      machine: facts,
      options,
      sections: [
        {
          title: `Idle for ${options.seconds} s, ${options.processes} processes attached (CPU in percent of one core)`,
          head: ['process', 'RSS', 'at most', 'CPU', 'RSS without', 'CPU without', ''],
          rows: [
            row("pm2-ops' module", figures.module),
            row(`pm2-ops' module, ${options.grown} processes`, figures.grown),
            row('a module that does nothing', figures.emptyModule, typical(without.emptyModule)),
            row("PM2's daemon", figures.daemon.with, figures.daemon.without),
            row('one app', figures.app.with, figures.app.without),
          ],
        },
      ],
      goals: [
        { what: 'module, RSS', value: figures.module.rssMb, limit: 80, unit: 'MB' },
        { what: `module, RSS with ${options.grown} processes`, value: figures.grown.rssMb, limit: 90, unit: 'MB' },
        { what: 'module, RSS of each further process', value: perProcessMb, limit: 0.15, unit: 'MB' },
        { what: 'module, CPU', value: figures.module.cpuPercent, limit: 0.5, unit: '%' },
      ],
      figures,
    });
  } finally {
    await fleet.kill();
  }
}

async function packEmptyModule(): Promise<string> {
  const destination = tempFolder('po-pack-');
  await runOk('npm', ['pack', '--pack-destination', destination], {
    cwd: join(ROOT, 'bench', 'apps', 'empty-module'),
    env: cleanEnvironment(),
  });
  return join(destination, 'empty-module-1.0.0.tgz');
}

/** Memory by the median, CPU by the mean: an idle app uses less in a minute than what the kernel counts. */
function typical(of: Cost[]): Cost {
  return {
    rssMb: round(median(of.map(({ rssMb }) => rssMb)), 1),
    rssMaxMb: round(Math.max(...of.map(({ rssMaxMb }) => rssMaxMb)), 1),
    cpuPercent: round(of.reduce((total, { cpuPercent }) => total + cpuPercent, 0) / of.length, 3),
  };
}

function row(what: string, now: Cost, before?: Cost): string[] {
  const mb = (value: number) => `${value.toFixed(1)} MB`;
  const percent = (value: number) => `${value.toFixed(2)} %`;
  return [
    what,
    mb(now.rssMb),
    mb(now.rssMaxMb),
    percent(now.cpuPercent),
    before ? mb(before.rssMb) : '',
    before ? percent(before.cpuPercent) : '',
    '',
  ];
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
