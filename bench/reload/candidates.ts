// Who is measured, each in its best documented configuration: what that is and where it is documented stands in its app's
// file in bench/workspace/apps.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PEERS } from './peers.ts';

/** What PM2 takes unless it is told. */
export const DEFAULT_KILL_TIMEOUT_MS = 1_600;
/** Node's keepAliveTimeout of 5 s, a second, and what leaving takes. */
export const PATIENT_KILL_TIMEOUT_MS = 7_000;

export interface Candidate {
  id: string;
  /** As it is called in tables. */
  name: string;
  /** How it is reloaded. */
  by: 'pm2 reload' | 'pm2 restart' | 'pm2-ops reload' | 'wattpm restart' | 'nginx -s reload';
  /** In bench/workspace/apps. */
  app: string;
  ours?: true;
  /** Is it looked after by the module? */
  attached?: true;
  env?: Record<string, string>;
  /** Also measured with `PATIENT_KILL_TIMEOUT_MS` while clients pause. */
  patient?: true;
  /** Runs as one process in fork mode, and takes so long before it listens. */
  fork?: { bootMs: number };
}

const ALL: Candidate[] = [
  {
    id: 'pm2-ops',
    name: 'pm2-ops, app unmodified',
    by: 'pm2 reload',
    app: 'no-handler.mjs',
    ours: true,
    attached: true,
    patient: true,
  },
  {
    id: 'pm2-ops-reload',
    name: 'pm2-ops, app unmodified',
    by: 'pm2-ops reload',
    app: 'no-handler.mjs',
    ours: true,
    attached: true,
  },
  { id: 'lifecycle', name: 'pm2-ops/lifecycle', by: 'pm2 reload', app: 'lifecycle.mjs', ours: true, patient: true },
  { id: 'none', name: 'no handler', by: 'pm2 reload', app: 'no-handler.mjs' },
  { id: 'recipe', name: 'the recipe', by: 'pm2 reload', app: 'recipe.mjs', patient: true },
  { id: 'terminus', name: versioned('@godaddy/terminus'), by: 'pm2 reload', app: 'terminus.mjs' },
  { id: 'http-terminator', name: versioned('http-terminator'), by: 'pm2 reload', app: 'http-terminator.mjs' },
  {
    id: 'http-graceful-shutdown',
    name: versioned('http-graceful-shutdown'),
    by: 'pm2 reload',
    app: 'http-graceful-shutdown.mjs',
    patient: true,
  },
  { id: 'stoppable', name: versioned('stoppable'), by: 'pm2 reload', app: 'stoppable.mjs' },
  { id: 'lightship', name: versioned('lightship'), by: 'pm2 reload', app: 'lightship.mjs' },
  { id: 'close-with-grace', name: versioned('close-with-grace'), by: 'pm2 reload', app: 'close-with-grace.mjs' },
  {
    id: 'close-with-grace-no-503',
    name: `${versioned('close-with-grace')}, return503OnClosing: false`,
    by: 'pm2 reload',
    app: 'close-with-grace.mjs',
    env: { RETURN_503: 'false' },
    patient: true,
  },
  { id: 'watt', name: versioned('wattpm'), by: 'wattpm restart', app: 'watt' },
  { id: 'nginx', name: 'nginx, app not reloaded', by: 'nginx -s reload', app: 'no-handler.mjs' },
];

/** Those that can be measured here, or those of them whose id is in `only`. */
export function candidates(only: readonly string[]): Candidate[] {
  const unknown = only.find((id) => ALL.every((candidate) => candidate.id !== id));
  if (unknown) throw new Error(`no candidate "${unknown}"; there are ${ALL.map(({ id }) => id).join(', ')}`);
  return ALL.filter(({ id }) => only.length === 0 || only.includes(id));
}

/** What fork mode is measured with, by the commands that people use there. */
export function forkCandidates(bootMs: number, only: readonly string[]): Candidate[] {
  const ids = ['pm2-ops', 'none', 'recipe', 'http-graceful-shutdown', 'close-with-grace-no-503'];
  const unknown = only.find((id) => !ids.includes(id));
  if (unknown) throw new Error(`no candidate "${unknown}" in fork mode; there are ${ids.join(', ')}`);
  return ids
    .filter((id) => only.length === 0 || only.includes(id))
    .flatMap((id) => {
      const { patient: _, ...candidate } = ALL.find((each) => each.id === id)!;
      const commands = ['pm2 reload', 'pm2 restart', ...(candidate.attached ? ['pm2-ops reload'] : [])] as const;
      return commands.map((by) => ({ ...candidate, by: by as Candidate['by'], fork: { bootMs } }));
    });
}

/** With the version that the lock file names. */
function versioned(name: string): string {
  const lock = JSON.parse(readFileSync(join(PEERS, 'package-lock.json'), 'utf8')) as Lock;
  return `${name} ${lock.packages[`node_modules/${name}`]!.version}`;
}

interface Lock {
  packages: Record<string, { version: string }>;
}
