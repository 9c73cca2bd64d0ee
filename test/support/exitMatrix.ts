// Every way in which a process ends, provoked for real, and what is recorded of it.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ExitRecord } from '../../contract/exits.ts';
import { openExitStore } from '../../module/recorder/store.ts';
import { command } from '../../testkit/command.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { waitFor } from '../../testkit/wait-for.ts';
import { compiled, lineOf } from './sources.ts';

export const SECRET = 'canary-7hJ2-never-written-down';

const SOURCE = app('typescript/ends.ts');

type Mode = 'cluster' | 'fork';

interface Step {
  provoked: string;
  /** @param pid of the process that is to end */
  act(lane: Lane, pid: number): unknown;
  /** What must be recorded; for one that ends in no exit, undefined. */
  told: Partial<ExitRecord> & { headlineHas?: RegExp; followedBy?: string };
  only?: Mode;
}

interface Lane {
  name: string;
  mode: Mode;
  pm2: Pm2;
  folder: string;
}

/** An app, and what is done to it, one step after the other. */
interface LanePlan {
  config?: Record<string, unknown>;
  steps: Step[];
  /** Without waiting for an agent in it. */
  isUnattended?: boolean;
  only?: Mode;
}

const by = (way: string) => (lane: Lane) => tellToEnd(lane.folder, lane.name, way);
const kill = (signal: NodeJS.Signals) => (_lane: Lane, pid: number) => process.kill(pid, signal);
const pm2Does =
  (...args: string[]) =>
  ({ pm2, name }: Lane) =>
    pm2.ok(...args, name);

const ITSELF = { who: 'itself' } as const;
const OUTSIDE = { who: 'outside' } as const;
const SOMEBODY = { who: 'somebody' } as const;
const PM2 = { who: 'pm2' } as const;

/** @param group file that a process joins a small memory cgroup by; undefined where there is none */
function plans(group: string | undefined): Record<string, LanePlan> {
  return {
    itself: {
      steps: [
        {
          provoked: 'uncaught exception',
          act: by('throw'),
          told: {
            cause: 'uncaught-exception',
            by: ITSELF,
            headlineHas: new RegExp(`undefined.* at .*ends\\.ts:${lineOf(SOURCE, '.cents;')}`),
          },
        },
        {
          provoked: 'process.exit(3)',
          act: by('exit3'),
          told: { cause: 'exit-call', by: ITSELF, code: 3, headlineHas: /3/ },
        },
        { provoked: 'process.exit(0)', act: by('exit0'), told: { cause: 'exit-call', by: ITSELF, code: 0 } },
        {
          provoked: 'an exception with secrets',
          act: by('secret'),
          told: { cause: 'uncaught-exception', headlineHas: /no route to postgres/, followedBy: 'started' },
        },
        {
          provoked: 'a rejection that PM2 swallows, and process.exit(0)',
          act: by('reject'),
          told: { cause: 'exit-call', by: ITSELF, code: 0, unhandledRejections: 1 },
        },
        { provoked: 'nothing left to do', act: by('dry'), told: { cause: 'ran-dry', by: ITSELF }, only: 'fork' },
      ],
    },
    signals: {
      steps: [
        { provoked: 'kill -TERM', act: kill('SIGTERM'), told: { cause: 'signal', by: OUTSIDE, signal: 'SIGTERM' } },
        { provoked: 'kill -KILL', act: kill('SIGKILL'), told: { cause: 'signal', by: OUTSIDE, signal: 'SIGKILL' } },
        { provoked: 'kill -INT', act: kill('SIGINT'), told: { cause: 'signal', by: OUTSIDE, signal: 'SIGINT' } },
        {
          provoked: 'pm2 sendSignal',
          act: pm2Does('sendSignal', 'SIGKILL'),
          told: { cause: 'signal', by: OUTSIDE, signal: 'SIGKILL', followedBy: 'started' },
        },
      ],
    },
    commands: {
      steps: [
        {
          provoked: 'pm2 restart',
          act: pm2Does('restart'),
          told: { cause: 'restart', by: SOMEBODY, followedBy: 'started' },
        },
        {
          provoked: 'pm2 reload',
          act: pm2Does('reload'),
          told: { cause: 'reload', by: SOMEBODY, followedBy: 'started' },
        },
        {
          provoked: 'pm2 stop',
          act: pm2Does('stop'),
          told: { cause: 'stop', by: SOMEBODY, followedBy: 'stopped' },
        },
      ],
    },
    deleted: {
      steps: [
        {
          provoked: 'pm2 delete',
          act: pm2Does('delete'),
          told: { cause: 'delete', by: SOMEBODY, followedBy: 'deleted' },
        },
      ],
    },
    ours: {
      config: { wait_ready: false },
      steps: [
        {
          provoked: 'pm2-ops reload',
          act: ({ pm2, name }) => command(pm2, 'reload', name, '--force'),
          told: { cause: 'reload', by: { who: 'pm2-ops', what: 'reload' }, followedBy: 'started' },
        },
      ],
    },
    stubborn: {
      config: { env: { STUBBORN: '1' }, kill_timeout: 300 },
      steps: [
        {
          provoked: 'kill_timeout over',
          act: pm2Does('restart'),
          told: { cause: 'kill-timeout', asked: 'restart', by: SOMEBODY, signal: 'SIGKILL' },
        },
      ],
    },
    memory: {
      config: { max_memory_restart: '200M' },
      steps: [
        {
          provoked: 'max_memory_restart',
          act: by('memory'),
          told: { cause: 'memory-limit', by: PM2, headlineHas: /200 MB/, followedBy: 'started' },
        },
      ],
    },
    cron: {
      config: { cron_restart: '*/6 * * * * *' },
      isUnattended: true,
      steps: [{ provoked: 'cron_restart', act: () => {}, told: { cause: 'cron', by: PM2, followedBy: 'started' } }],
    },
    watched: {
      config: { watch: true, ignore_watch: ['node_modules'] },
      steps: [
        {
          provoked: 'watch',
          act: ({ folder, name }) => appendFileSync(join(folder, `watched-${name}`, 'price.txt'), '1'),
          told: { cause: 'watch', by: PM2, headlineHas: /price\.txt/, followedBy: 'started' },
        },
      ],
    },
    heap: {
      config: { node_args: '--max-old-space-size=40' },
      steps: [{ provoked: "V8's heap full", act: by('heap'), told: { cause: 'heap-out-of-memory', by: ITSELF } }],
    },
    gaveUp: {
      config: { env: { ENDS_AT_ONCE: 'throw' }, max_restarts: 3, min_uptime: 60_000 },
      isUnattended: true,
      steps: [
        {
          provoked: 'a restart loop',
          act: () => {},
          told: { cause: 'uncaught-exception', followedBy: 'gave-up' },
        },
      ],
    },
    backoff: {
      config: { exp_backoff_restart_delay: 400 },
      steps: [
        {
          provoked: 'exp_backoff_restart_delay',
          act: by('exit3'),
          told: { cause: 'exit-call', followedBy: 'backoff' },
        },
      ],
    },
    stopCodes: {
      config: { stop_exit_codes: [0, 1] },
      steps: [
        {
          provoked: 'stop_exit_codes, uncaught exception',
          act: by('throw'),
          told: { cause: 'uncaught-exception', followedBy: 'stop-exit-code' },
        },
      ],
    },
    ...(group
      ? {
          kernel: {
            only: 'fork',
            config: { interpreter: 'bash', autorestart: false, joins: group },
            steps: [
              {
                provoked: "the cgroup's memory used up",
                act: by('memory'),
                told: { cause: 'kernel-out-of-memory', certainty: 'probable', by: OUTSIDE, signal: 'SIGKILL' },
              },
            ],
          } satisfies LanePlan,
        }
      : {}),
    noRestart: {
      config: { autorestart: false },
      steps: [
        {
          provoked: 'autorestart off',
          act: by('exit3'),
          told: { cause: 'exit-call', followedBy: 'no-autorestart' },
        },
      ],
    },
  };
}

export interface Row {
  mode: Mode;
  provoked: string;
  record: ExitRecord;
  problem?: string;
}

/** Provokes all of it, all apps at the same time. */
export async function provokeAll(
  pm2: Pm2,
  modes: readonly Mode[],
  group?: string,
): Promise<{ rows: Row[]; failed: Error[] }> {
  const folder = tempFolder();
  const script = await compileEnds(folder);
  const lanes = modes.flatMap((mode) =>
    Object.entries(plans(group))
      .filter(([, { only = mode }]) => only === mode)
      .map(([kind, plan]) => ({ plan, lane: { name: `${kind}-${mode}`, mode, pm2, folder } })),
  );
  const apps = lanes.map(({ plan: { config = {} }, lane }) => {
    const cwd = join(folder, `watched-${lane.name}`);
    mkdirSync(cwd);
    const { joins, ...options } = config;
    const env = { DB_PASSWORD: SECRET, ENDS_FOLDER: folder, ...(config.env as object) };
    const file = joins === undefined ? script : inGroup(String(joins), script);
    return { script: file, name: lane.name, exec_mode: lane.mode, kill_timeout: 5_000, cwd, ...options, env };
  });
  await pm2.startApp(apps);
  const rows: Row[] = [];
  const ended = await Promise.allSettled(lanes.map(({ plan, lane }) => runLane(plan, lane, rows)));
  const failed = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  return { rows, failed };
}

/** A script that joins a cgroup and becomes the app. */
function inGroup(group: string, script: string): string {
  const file = join(dirname(script), 'in-group.sh');
  writeFileSync(file, `echo $$ > ${group}\nexec node ${script}\n`);
  return file;
}

/** Has the app of that name end in one of its ways. */
export function tellToEnd(folder: string, name: string, way: string): void {
  // It would read half a file.
  writeFileSync(join(folder, `${name}.new`), way);
  renameSync(join(folder, `${name}.new`), join(folder, name));
}

/** Compiles the app that ends as it is told by a file of its name in `ENDS_FOLDER`. @returns its path */
export async function compileEnds(folder: string): Promise<string> {
  const script = join(folder, 'ends.cjs');
  const { code, map } = await compiled(SOURCE);
  writeFileSync(script, `${code}//# sourceMappingURL=ends.cjs.map\n`);
  writeFileSync(`${script}.map`, map);
  return script;
}

async function runLane({ steps, isUnattended }: LanePlan, lane: Lane, rows: Row[]): Promise<void> {
  for (const { provoked, act, told, only = lane.mode } of steps) {
    if (only !== lane.mode) continue;
    const pid = isUnattended ? 0 : await attached(lane.pm2, lane.name);
    await act(lane, pid);
    const isMeant = (record: ExitRecord) => record.name === lane.name && (isUnattended || record.pid === pid);
    const record = await waitFor(
      () => {
        const found = exitsOf(lane.pm2).filter(isMeant);
        return isUnattended
          ? found.find(({ followed }) => followed?.is === told.followedBy)
          : found.find(({ followed }) => followed !== undefined);
      },
      {
        what: `the record of ${provoked} of ${lane.name}`,
        timeoutMs: 60_000,
        everyMs: 200,
        context: () =>
          `${JSON.stringify(
            exitsOf(lane.pm2).filter(({ name }) => name === lane.name),
            null,
            1,
          )}\n${lane.pm2.logs('pm2-ops')}\n${lane.pm2.daemonLog().split('\n').slice(-80).join('\n')}`,
      },
    );
    rows.push({ mode: lane.mode, provoked, record, ...problemIn(record, told) });
  }
}

/** Waits until the agent is in the process that PM2 has for an app now. @returns its pid */
export async function attached(pm2: Pm2, name: string): Promise<number> {
  return waitFor(
    async () => {
      const { pid, pm2_env } = await pm2.process(name);
      const actions = (pm2_env as { axm_actions?: { action_name: string }[] }).axm_actions ?? [];
      return pm2_env.status === 'online' && actions.some(({ action_name }) => action_name === 'drain') && pid;
    },
    { what: `an agent in ${name}`, timeoutMs: 60_000, everyMs: 200, context: () => pm2.logs('pm2-ops') },
  );
}

function problemIn(record: ExitRecord, { headlineHas, followedBy, ...told }: Step['told']): { problem?: string } {
  try {
    const same = Object.fromEntries(Object.keys(told).map((key) => [key, record[key as keyof ExitRecord]]));
    assert.deepEqual(same, told);
    if (headlineHas) assert.match(record.headline, headlineHas);
    if (followedBy !== undefined) assert.equal(record.followed?.is, followedBy);
    return {};
  } catch (error) {
    return { problem: `${(error as Error).message}\n${JSON.stringify(record, null, 1)}` };
  }
}

/** The records on the disk, newest first. */
export function exitsOf(pm2: Pm2): ExitRecord[] {
  const folder = join(pm2.home, 'pm2-ops');
  return openExitStore({ folder, maxBytes: 2 ** 30, log: () => {} }).read({}).exits;
}

/** Everything on the disk that was recorded of exits, as it is there. */
export function recordedBytes(pm2: Pm2): string {
  return exitsOf(pm2)
    .map((record) => JSON.stringify(record))
    .concat(readFileSync(join(pm2.home, 'pm2-ops', 'recorder.json'), 'utf8'))
    .join('\n');
}

/** Prints what was provoked and what was told. */
export function tell(t: TestContext, pm2: Pm2, rows: readonly Row[]): void {
  for (const { mode, provoked, record } of rows) {
    const { cause, certainty, followed, headline } = record;
    const who = record.by.who === 'pm2-ops' ? `pm2-ops (${record.by.what})` : record.by.who;
    t.diagnostic(
      `PM2 ${pm2.version} | ${mode} | ${provoked} | ${cause} (${certainty}) by ${who}: ${headline} | ${followed?.is}`,
    );
  }
}
