// Where the files of the routes go, and the limit that PM2 sets to this process, if it runs under PM2.
import { fileNameOf } from '../diagnostics/fileNameOf.ts';
import { folderOf, type Store } from '../diagnostics/files.ts';
import type { MemoryCeiling } from '../diagnostics/headroom.ts';
import type { MaintenanceOptions } from './types.ts';

const KEEP = 5;
const MAX_BYTES = 2 * 2 ** 30;

/** Makes the folder, so that one that cannot be used is found at the start. @throws {TypeError} */
export function createStore(
  { folder, name, keep = KEEP, maxBytes = MAX_BYTES }: MaintenanceOptions,
  env = process.env,
): Store {
  if (typeof folder !== 'string' || folder === '')
    throw new TypeError(`maintenance: folder must be the path of a folder, got ${JSON.stringify(folder)}`);
  for (const [option, value] of Object.entries({ keep, maxBytes }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TypeError(`maintenance: ${option} must be a whole number from 1 on, got ${String(value)}`);
  const underPm2 = env.pm_id !== undefined;
  const app = name ?? (underPm2 ? env.name : undefined) ?? 'app';
  const instance = /^\w+$/.exec(env.pm_id ?? env.NODE_APP_INSTANCE ?? '')?.[0] ?? '0';
  const store: Store = {
    folder,
    app: fileNameOf(app, underPm2 ? env.namespace : undefined),
    instance,
    keep,
    maxBytes,
    keepSetting: 'keep',
  };
  try {
    folderOf(store, 'dumps');
  } catch (error) {
    throw new TypeError(`maintenance: folder cannot be used: ${(error as Error).message}`);
  }
  return store;
}

/** PM2 hands its settings to the process as environment variables; `max_memory_restart` is in bytes. */
export function ceilingOf(env = process.env): { ceiling?: MemoryCeiling } {
  const bytes = env.pm_id === undefined ? 0 : Number(env.max_memory_restart);
  if (!(bytes > 0)) return {};
  return {
    ceiling: { bytes, rule: 'PM2 restarts it above max_memory_restart', setting: 'max_memory_restart' },
  };
}
