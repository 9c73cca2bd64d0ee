// `pm2-ops reload ecosystem.config.js`: the apps that such a file names, and their environment. The PM2 that runs the daemon reads
// it, so that it means what it means to `pm2 reload`.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, extname, resolve } from 'node:path';
import { DEFAULT_NAMESPACE } from '../contract/app.ts';
import { UsageError } from './command.ts';

export interface AppOfFile {
  /** As `reload` takes it. */
  target: string;
  env: Record<string, string>;
}

/** The part of PM2's lib/Common.js that reads such files; the same in PM2 5 to 7. */
interface Pm2Common {
  isConfigFile(file: string): string | null;
  parseConfig(text: Buffer, file: string): unknown;
}

interface AppConfig {
  name?: string;
  namespace?: string;
  script?: string;
  env?: Record<string, unknown>;
}

/**
 * The apps of a configuration file.
 * @param pm2File any file of PM2
 * @returns undefined when this is no such file, but a name
 * @throws {UsageError} when it cannot be read
 */
export function appsOfFile(file: string, pm2File: string): AppOfFile[] | undefined {
  const common = createRequire(pm2File)('../lib/Common.js') as Pm2Common;
  if (!common.isConfigFile(file)) return undefined;
  let text: Buffer;
  try {
    text = readFileSync(file);
  } catch {
    return undefined;
  }
  try {
    const config = common.parseConfig(text, resolve(file)) as { apps?: unknown; pm2?: unknown };
    const apps = [config.apps ?? config.pm2 ?? config].flat() as AppConfig[];
    return apps.map(
      ({ script = '', name = basename(script, extname(script)), namespace = DEFAULT_NAMESPACE, env = {} }) => ({
        target: `${namespace}:${name}`,
        env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, textOf(value)])),
      }),
    );
  } catch (error) {
    throw new UsageError(`${file} cannot be read as PM2 reads it: ${(error as Error).message}`);
  }
}

/** As PM2 hands a value of a configuration to the process. */
function textOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
