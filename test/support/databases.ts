// Real PostgreSQL and Redis servers of our own, on free ports, with their data in temp folders.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { releaseFolder, tempFolder } from '../../testkit/folders.ts';
import { runOk } from '../../testkit/run.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

export interface Database {
  url: string;
  /** Ends the server at once, as a crash would; its data stays. */
  stop(): Promise<void>;
  /** Starts it again on the same port; resolves when it answers. */
  start(): Promise<void>;
  /** Asks it from outside the service: what its command-line client prints, by lines. */
  ask(query: string): Promise<string[]>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

/** Why tests against the real servers cannot run here; false where they can. */
export function databasesMissing(): string | false {
  const missing = [
    ...(postgresFolder() ? [] : ['PostgreSQL']),
    ...(spawnSync('redis-server', ['--version']).status === 0 ? [] : ['Redis']),
  ];
  return missing.length > 0 && `no ${missing.join(' and ')} here`;
}

export async function startPostgres(): Promise<Database> {
  const programs = postgresFolder();
  if (!programs) throw new Error('PostgreSQL is not installed');
  const folder = tempFolder('po-pg-');
  const data = join(folder, 'data');
  const port = await freePort();
  // PostgreSQL refuses to run as root.
  const owner = process.getuid?.() === 0 ? userNamed('postgres') : {};
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid!);
  const { status, stderr } = spawnSync(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...owner, cwd: folder, env: cleanEnvironment(), encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`initdb exited with ${status}: ${stderr}`);
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: folder, fsync: 'off' };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const ask = async (query: string) =>
    lines(await runOk(join(programs, 'psql'), ['-h', folder, '-p', `${port}`, '-U', 'postgres', '-XAtc', query]));
  return server({
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    folder,
    spawn: () => spawn(join(programs, 'postgres'), ['-D', data, ...flags], { ...owner, cwd: folder, stdio: 'ignore' }),
    // SIGQUIT: at once, its children with it.
    end: 'SIGQUIT',
    ask,
    isUp: async () => (await ask('SELECT 1'))[0] === '1',
  });
}

export async function startRedis(): Promise<Database> {
  const folder = tempFolder('po-redis-');
  const data = join(folder, 'data');
  mkdirSync(data);
  const port = await freePort();
  const flags = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', data, '--save', '', '--appendonly', 'yes'];
  const ask = async (query: string) => lines(await runOk('redis-cli', ['-p', `${port}`, ...query.split(' ')]));
  return server({
    url: `redis://127.0.0.1:${port}/0`,
    folder,
    spawn: () => spawn('redis-server', flags, { cwd: folder, stdio: 'ignore' }),
    end: 'SIGKILL',
    ask,
    isUp: async () => (await ask('PING'))[0] === 'PONG',
  });
}

interface Parts {
  url: string;
  folder: string;
  spawn(): ChildProcess;
  end: NodeJS.Signals;
  ask: Database['ask'];
  isUp(): Promise<boolean>;
}

const running = new Map<ChildProcess, NodeJS.Signals>();

async function server({ url, folder, spawn, end, ask, isUp }: Parts): Promise<Database> {
  let child: ChildProcess | undefined;
  const database: Database = {
    url,
    ask,
    async start() {
      child = spawn();
      running.set(child, end);
      await waitFor(isUp, { what: `an answer from ${url}`, timeoutMs: 30_000 });
    },
    async stop() {
      const ending = child;
      child = undefined;
      if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill(end);
      await ended;
      running.delete(ending);
    },
    async remove() {
      await database.stop();
      releaseFolder(folder);
    },
  };
  try {
    await database.start();
  } catch (error) {
    await database.remove();
    throw error;
  }
  return database;
}

/** Debian has the server's programs outside the PATH, a folder for each version. */
function postgresFolder(): string | undefined {
  const versions = '/usr/lib/postgresql';
  const folders = existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : [];
  return [...folders, ...(process.env.PATH ?? '').split(':')].find((folder) => existsSync(join(folder, 'initdb')));
}

function userNamed(name: string): { uid?: number; gid?: number } {
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' })));
  return { uid: uid!, gid: gid! };
}

function lines({ stdout }: { stdout: string }): string[] {
  return stdout.trim().split('\n').filter(Boolean);
}

process.on('exit', () => {
  for (const [child, signal] of running) child.kill(signal);
});
