// What `pm2 install` of pm2-ops brings to a host that has nothing of it yet: packages, bytes, seconds; beside modules
// that many hosts have. Each into an empty home of its own, first with an empty npm cache and then again with a filled one.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { mark, size } from '../scripts/demo/terminal.ts';
import { writeNpmrc } from '../testkit/environment.ts';
import { tempFolder } from '../testkit/folders.ts';
import { packModule } from '../testkit/package.ts';
import { startPm2 } from '../testkit/pm2.ts';
import { bytesUnder, filesUnder, packagesIn } from './support/disk.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { median, round } from './support/stats.ts';

const options = readOptions('bench:install', {
  rounds: { default: 3, help: 'installations of each module; the first finds an empty npm cache' },
});

/** Modules that PM2's own documentation names. */
const PEERS = ['pm2-logrotate', 'pm2-server-monit'];

interface Installed {
  packages: number;
  files: number;
  bytes: number;
  seconds: number;
  version: string;
}

async function main(): Promise<void> {
  const facts = machine();
  const tarball = await packModule();
  const modules = [{ name: 'pm2-ops', source: tarball }, ...PEERS.map((name) => ({ name, source: name }))];
  const caches = new Map(modules.map(({ name }) => [name, tempFolder('po-cache-')]));
  const installed = new Map<string, Installed[]>(modules.map(({ name }) => [name, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name, source } of modules) {
      const result = await install(name, source, caches.get(name)!);
      installed.get(name)!.push(result);
      say(`${name}, round ${round}: ${result.packages} packages, ${result.seconds.toFixed(1)} s`);
    }
  }
  const figures = Object.fromEntries(
    [...installed].map(([name, of]) => {
      const { packages, files, bytes, version } = of[0]!;
      const [first, ...again] = of.map(({ seconds }) => seconds);
      const secondsAgain = again.length > 0 ? round(median(again), 1) : null;
      return [name, { version, packages, files, bytes, secondsFirst: round(first!, 1), secondsAgain }];
    }),
  );
  const tarballBytes = statSync(tarball).size;
  report({
    name: 'install',
    machine: facts,
    options,
    sections: [
      {
        title: `pm2 install, from the command to the module online (pm2-ops: packed file of ${size(tarballBytes)})`,
        head: ['module', 'version', 'packages', 'files', 'on disk', 'empty npm cache', 'filled npm cache', ''],
        rows: Object.entries(figures).map(([name, of]) => [
          name,
          of.version,
          String(of.packages),
          String(of.files),
          size(of.bytes),
          `${of.secondsFirst.toFixed(1)} s`,
          of.secondsAgain === null ? '' : `${of.secondsAgain.toFixed(1)} s`,
          '',
        ]),
      },
    ],
    goals: [{ what: 'packages', value: figures['pm2-ops']!.packages, limit: 100, unit: '' }],
    figures: { tarballBytes, modules: figures },
  });
  console.log(mark.dim('Seconds include the way to the registry, for pm2-ops none: it is installed from a file.'));
}

/** Installs a module under a daemon of its own in an empty home. */
async function install(name: string, source: string, cache: string): Promise<Installed> {
  const pm2 = await startPm2();
  try {
    await writeNpmrc(pm2.folder, { cache });
    const began = performance.now();
    await pm2.okWith({ timeoutMs: 300_000 }, 'install', source);
    await pm2.online(name, 1, 30_000);
    const seconds = (performance.now() - began) / 1000;
    const folder = join(pm2.home, 'modules', name);
    const nodeModules = join(folder, 'node_modules');
    return {
      packages: packagesIn(nodeModules),
      files: filesUnder(nodeModules).length,
      bytes: bytesUnder(nodeModules),
      seconds,
      version: String((await pm2.process(name)).pm2_env.version),
    };
  } finally {
    await pm2.kill();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
