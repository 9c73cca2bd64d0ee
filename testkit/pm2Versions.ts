// The PM2 versions that tests run against, and what PM2 lists and takes.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, WORKSPACE } from './folders.ts';

export type Pm2Version = '5' | '6' | '7';

/** What `pm2 jlist` says about a process, as far as tests look at it. */
export interface Pm2Process {
  name: string;
  pm_id: number;
  pid: number;
  monit: { memory: number; cpu: number };
  pm2_env: {
    status: string;
    exec_mode: string;
    restart_time: number;
    version?: string;
    pmx_module?: boolean;
    axm_actions: { action_name: string; action_type?: string; opts?: unknown }[];
    axm_monitor: Record<string, { value: unknown }>;
    pm_out_log_path: string;
    pm_err_log_path: string;
    [field: string]: unknown;
  };
}

/** A process in PM2's configuration format; `name` and `script` are what it takes at least. */
export interface AppConfig {
  name: string;
  script: string;
  [option: string]: unknown;
}

/** Folder of a PM2 version: 7 is the project's own, 5 and 6 come from the test workspace. */
export function pm2Folder(version: Pm2Version = '7'): string {
  const folder =
    version === '7' ? join(ROOT, 'node_modules', 'pm2') : join(WORKSPACE, 'node_modules', `pm2-${version}`);
  if (!existsSync(folder)) throw new Error(`PM2 ${version} is not installed: npm ci --prefix test/workspace`);
  return folder;
}
