// The package as a user gets it: packed from this checkout, in any version.

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cleanEnvironment } from './environment.ts';
import { ROOT, tempFolder } from './folders.ts';
import { runOk } from './run.ts';

interface Manifest {
  name: string;
  version: string;
  files: string[];
  scripts?: Record<string, string>;
  [field: string]: unknown;
}

export const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** Builds dist/ where it is missing; `npm test` has just built it. */
export async function ensureBuilt(): Promise<void> {
  if (!existsSync(join(ROOT, 'dist', 'main.mjs')))
    await runOk(process.execPath, ['scripts/build.mjs'], { cwd: ROOT, env: cleanEnvironment() });
}

/** A copy of what the package holds, in a folder of its own, as another version if told. It has neither source nor
 * scripts, so npm packs it as it is. */
export async function copyPackage(version = manifest.version): Promise<string> {
  await ensureBuilt();
  const folder = join(tempFolder('po-package-'), 'pm2-ops');
  mkdirSync(folder);
  for (const entry of [...manifest.files, 'README.md', 'LICENSE']) {
    const source = join(ROOT, entry);
    if (existsSync(source)) cpSync(source, join(folder, entry), { recursive: true, filter: isPacked });
  }
  const { scripts: _scripts, devDependencies: _devDependencies, ...rest } = manifest;
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...rest, version }, null, 2)}\n`);
  if (version !== manifest.version) stampVersion(folder, version);
  return folder;
}

/** npm leaves out what app-template/.gitignore names, and that itself. */
export function isPacked(source: string): boolean {
  const template = join(ROOT, 'app-template');
  const ignored = readFileSync(join(template, '.gitignore'), 'utf8').split('\n').filter(Boolean);
  return !['.gitignore', ...ignored].some((name) => source === join(template, name.replace(/\/$/, '')));
}

/** The build writes the version into the code; a copy that calls itself newer has to say so there too. */
function stampVersion(folder: string, version: string): void {
  for (const file of ['agent.cjs', 'agent-preload.cjs', 'main.mjs', 'cli.mjs', 'guard.cjs']) {
    const path = join(folder, 'dist', file);
    if (!existsSync(path)) continue;
    const code = readFileSync(path, 'utf8');
    writeFileSync(path, code.replaceAll(`"${manifest.version}"`, `"${version}"`));
  }
}

/** `npm pack`: absolute path of the file. The package of this version is the checkout's own, any other a stamped copy. */
export async function packModule(version = manifest.version): Promise<string> {
  await ensureBuilt();
  const source = version === manifest.version ? ROOT : await copyPackage(version);
  const destination = tempFolder('po-pack-');
  const { stdout } = await runOk('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', destination], {
    cwd: source,
    env: cleanEnvironment(),
  });
  // npm 11 prints an array, npm 12 an object by name.
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>);
  return join(destination, basename(packed!.filename));
}
