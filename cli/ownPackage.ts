// The pm2-ops that a new service depends on: this version from the registry, or a copy of the running package where no
// registry has it (a checkout, a packed file).
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NAME } from '../contract/names.ts';
import { VERSION } from '../contract/version.ts';
import { runNpm } from './npm.ts';

/** The package that this file is a part of: dist/ is right below it, in the package and in a checkout. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Where a service keeps its copy. */
const VENDOR = 'vendor';

interface Manifest {
  dependencies: Record<string, string>;
}

interface Lock {
  packages: { '': Manifest; [path: string]: object };
}

/**
 * Makes the service in that folder depend on a pm2-ops that `npm ci` can install.
 * @returns what it depends on now, for the user
 */
export async function dependOnOwnPackage(service: string): Promise<string> {
  if (await registryHasIt(service)) return `${NAME} ${VERSION}: from your npm registry`;
  const file = await packInto(service);
  const spec = `file:${VENDOR}/${file}`;
  await edit<Manifest>(join(service, 'package.json'), ({ dependencies }) => {
    dependencies[NAME] = spec;
  });
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(join(service, VENDOR, file)))
    .digest('base64')}`;
  await edit<Lock>(join(service, 'package-lock.json'), ({ packages }) => {
    packages[''].dependencies[NAME] = spec;
    const { version, ...rest } = packages[`node_modules/${NAME}`] as { version: string };
    packages[`node_modules/${NAME}`] = { version, resolved: spec, integrity, ...rest };
  });
  return [
    `${NAME} ${VERSION}: your npm registry does not have it, so the service has a copy of this one: ${VENDOR}/${file}`,
    `  Commit it. Once a registry has it: npm install ${NAME}@^${VERSION} && rm -r ${VENDOR}`,
  ].join('\n');
}

/** A registry that cannot be reached counts as one that does not have it. */
async function registryHasIt(cwd: string): Promise<boolean> {
  const args = ['view', `${NAME}@${VERSION}`, 'version', '--fetch-retries=0', '--fetch-timeout=10000'];
  const { code, stdout } = await runNpm(args, cwd);
  return code === 0 && stdout.trim() === VERSION;
}

/** @returns the name of the packed file in the service's vendor folder */
async function packInto(service: string): Promise<string> {
  const folder = join(service, VENDOR);
  await mkdir(folder, { recursive: true });
  // Without its scripts: they would build a checkout anew.
  const { code, said } = await runNpm(['pack', ROOT, '--ignore-scripts', '--pack-destination', folder], service);
  const [file] = await readdir(folder);
  if (code !== 0 || file === undefined) throw new Error(`${said.trim()}\nnpm pack failed with exit code ${code}`);
  return file;
}

async function edit<T>(file: string, change: (json: T) => void): Promise<void> {
  const json = JSON.parse(await readFile(file, 'utf8')) as T;
  change(json);
  await writeFile(file, `${JSON.stringify(json, null, 2)}\n`);
}
