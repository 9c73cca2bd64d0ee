// A daemon with the module installed from its packed file, as a user has it.
import { packModule } from './package.ts';
import { type Pm2, type Pm2Options, startPm2 } from './pm2.ts';

let packed: Promise<string> | undefined;

/** Starts a daemon and installs the packed module into it. */
export async function startWithModule(options: Pm2Options = {}): Promise<Pm2> {
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
