// A daemon with the module installed from its packed file, as a user has it.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from './folders.ts';
import { packModule } from './package.ts';
import { type Pm2, type Pm2Options, startPm2 } from './pm2.ts';

/** What `pm2 install` writes into a PM2_HOME. */
const WRITTEN = ['modules', 'module_conf.json'];
/** A folder with that, from an installation that several test processes share. */
const PROVIDED = 'PM2_OPS_INSTALLED';

let packed: Promise<string> | undefined;

/** Starts a daemon that has the packed module; it was installed just now, or once for all tests of this run. */
export async function startWithModule(options: Pm2Options = {}): Promise<Pm2> {
  const provided = process.env[PROVIDED];
  if (provided !== undefined && options.home === undefined) {
    const pm2 = await startPm2({ ...options, pm2Home: provided });
    await pm2.online('pm2-ops');
    return pm2;
  }
  const pm2 = await startPm2(options);
  await install(pm2);
  return pm2;
}

/** `pm2 install /absolute/path/pm2-ops-x.y.z.tgz`. */
export async function install(pm2: Pm2): Promise<void> {
  packed ??= packModule();
  await pm2.okWith({ timeoutMs: 120_000 }, 'install', await packed);
  await pm2.online('pm2-ops');
}

/** Installs the module once, for all test processes that this one starts: npm takes longer than most of them. */
export async function provideModule(): Promise<void> {
  const pm2 = await startPm2();
  try {
    await install(pm2);
    const folder = tempFolder('po-installed-');
    for (const name of WRITTEN) cpSync(join(pm2.home, name), join(folder, name), { recursive: true });
    process.env[PROVIDED] = folder;
  } finally {
    await pm2.kill();
  }
}
