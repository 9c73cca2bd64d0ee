// What pm2-ops costs a host on which nothing happens: memory and CPU time of the module's process, of PM2's daemon and
// of the apps, with it and without it, beside a module that does nothing at all.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnvironment } from '../test/support/environment.ts';
import { ROOT, tempFolder } from '../test/support/folders.ts';
import { packModule } from '../test/support/package.ts';
import { runOk } from '../test/support/run.ts';
import { type Cost, costs } from './support/cost.ts';
import { startIdleFleet } from './support/fleet.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { median, round } from './support/stats.ts';

const options = readOptions('bench:footprint', {
  processes: { default: 20, help: 'attached processes, half of them cluster workers' },
  seconds: { default: 60, help: 'length of each of the two measurements' },
  settle: { default: 15, help: 'seconds to rest after everything has started' },
});

async function main(): Promise<void> {
  const facts = machine();
  const [tarball, empty] = await Promise.all([packModule(), packEmptyModule()]);
  say(`${options.processes} idle processes`);
  const fleet = await startIdleFleet(options.processes);
  const { pm2 } = fleet;
  try {
    const apps = (await fleet.processes()).map(({ pid }) => pid);
    const daemon = [pm2.daemonPid()];
    await install(empty, 'empty-module');
    say(`${options.settle} + ${options.seconds} s without pm2-ops`);
    await sleep(options.settle * 1000);
    const emptyModule = [(await pm2.process('empty-module')).pid];
    const without = await costs({ emptyModule, daemon, apps }, options.seconds);

    await install(tarball, 'pm2-ops');
    await fleet.untilAnswered((await fleet.processes()).map(({ pm_id }) => pm_id));
    say(`${options.settle} + ${options.seconds} s with pm2-ops`);
    await sleep(options.settle * 1000);
    const module = [(await pm2.process('pm2-ops')).pid];
    const attached = await costs({ module, emptyModule, daemon, apps }, options.seconds);

    const figures = {
      module: sum(attached.module),
      emptyModule: sum(attached.emptyModule),
      daemon: { without: sum(without.daemon), with: sum(attached.daemon) },
      app: { without: typical(without.apps), with: typical(attached.apps) },
    };
    report({
      name: 'footprint',
      machine: facts,
      options,
      sections: [
        {
          title: `Idle for ${options.seconds} s, ${options.processes} processes (CPU in percent of one core)`,
          head: ['process', 'RSS', 'CPU', 'RSS without', 'CPU without', ''],
          rows: [
            row("pm2-ops' module", figures.module),
            row('a module that does nothing', figures.emptyModule, sum(without.emptyModule)),
            row("PM2's daemon", figures.daemon.with, figures.daemon.without),
            row('one app, median', figures.app.with, figures.app.without),
          ],
        },
      ],
      goals: [
        { what: 'module, RSS', value: figures.module.rssMb, limit: 80, unit: 'MB' },
        { what: 'module, CPU', value: figures.module.cpuPercent, limit: 0.5, unit: '%' },
      ],
      figures,
    });
  } finally {
    await fleet.kill();
  }

  async function install(file: string, name: string): Promise<void> {
    await pm2.okWith({ timeoutMs: 120_000 }, 'install', file);
    await pm2.online(name);
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

function sum(of: Cost[]): Cost {
  return {
    rssMb: round(
      of.reduce((total, { rssMb }) => total + rssMb, 0),
      1,
    ),
    cpuPercent: round(
      of.reduce((total, { cpuPercent }) => total + cpuPercent, 0),
      3,
    ),
  };
}

/** Memory by the median, CPU by the mean: a single idle app uses less than the kernel counts. */
function typical(of: Cost[]): Cost {
  return {
    rssMb: round(median(of.map(({ rssMb }) => rssMb)), 1),
    cpuPercent: round(of.reduce((total, { cpuPercent }) => total + cpuPercent, 0) / of.length, 3),
  };
}

function row(what: string, now: Cost, before?: Cost): string[] {
  const cells = (cost: Cost | undefined) =>
    cost ? [`${cost.rssMb.toFixed(1)} MB`, `${cost.cpuPercent.toFixed(2)} %`] : ['', ''];
  return [what, ...cells(now), ...cells(before), ''];
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
