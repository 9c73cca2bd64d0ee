// Copies app-template as it is shipped, under the user's own name for it.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Beside dist/, in the package and in a checkout. */
const TEMPLATE = join(dirname(fileURLToPath(import.meta.url)), '..', 'app-template');
const TEMPLATE_NAME = 'app-template';
export const TEMPLATE_PORT = 3000;
/** How the port is written: as a number, and as the default in the configuration. */
const PORT = /\b3000\b|(?<=\bPORT: integer\()3_000\b/g;
/** The text of app-template/.gitignore, put in by the build: npm packs no such file. */
declare const TEMPLATE_GITIGNORE: string;

export interface Naming {
  /** The package's and PM2's name for it. */
  name: string;
  /** TCP port that it listens on. */
  port: number;
}

/** Why `name` cannot be a service's name; undefined if it can. */
export function nameProblem(name: string): string | undefined {
  if (!/^[a-z0-9][a-z0-9._-]{0,99}$/.test(name))
    return `"${name}" cannot be a package's name: lower-case letters, digits, ".", "_" and "-", and it begins with a letter or digit`;
  if (name === 'node_modules' || name === 'pm2-ops') return `"${name}" is taken`;
  return undefined;
}

/**
 * Copies the template into `folder`, which is empty or does not exist yet. If it fails, everything is as before.
 * @param finish completes the copy; if it fails, the copy failed
 * @returns the files, relative to the folder
 */
export async function copyTemplate(folder: string, naming: Naming, finish: () => Promise<void>): Promise<string[]> {
  const made = await mkdir(folder, { recursive: true });
  try {
    const files = await templateFiles();
    for (const file of files) {
      const target = join(folder, renamed(file, naming));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, adapt(file, await readFile(join(TEMPLATE, file), 'utf8'), naming));
    }
    await writeFile(join(folder, '.gitignore'), TEMPLATE_GITIGNORE);
    await finish();
    return files.map((file) => renamed(file, naming));
  } catch (error) {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    else for (const entry of await readdir(folder)) await rm(join(folder, entry), { recursive: true, force: true });
    throw error;
  }
}

async function templateFiles(): Promise<string[]> {
  if (!existsSync(TEMPLATE))
    throw new Error(`this pm2-ops has no template: ${TEMPLATE} is not there; install it again`);
  // A checkout has it, and may have the folders that it names.
  const skipped = new Set(['.gitignore', ...TEMPLATE_GITIGNORE.split('\n').map((line) => line.replace(/\/$/, ''))]);
  const found: string[] = [];
  const look = async (folder: string) => {
    for (const entry of await readdir(join(TEMPLATE, folder), { withFileTypes: true })) {
      if (skipped.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await look(path);
      else found.push(path);
    }
  };
  await look('');
  return found.sort();
}

function adapt(file: string, text: string, { name, port }: Naming): string {
  const called = renamed(text, { name, port });
  if (file === 'package-lock.json' || file === 'package.json') return owned(called);
  return called.replaceAll(PORT, String(port));
}

/** The name as it is, and as a part of a variable's name. */
function renamed(text: string, { name }: Naming): string {
  return text
    .replaceAll(TEMPLATE_NAME, name)
    .replaceAll(TEMPLATE_NAME.replaceAll('-', '_'), name.replaceAll(/[^a-z0-9]/g, '_'));
}

/** The new service is the user's own: our licence and description do not go with it. */
function owned(text: string): string {
  const json = JSON.parse(text) as { description?: string; license?: string; packages?: { '': { license?: string } } };
  if (json.packages) json.packages[''].license = 'UNLICENSED';
  else Object.assign(json, { license: 'UNLICENSED', description: '' });
  return `${JSON.stringify(json, null, 2)}\n`;
}
