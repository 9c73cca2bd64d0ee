// A real PM2 daemon of our own for a test or the demo: private PM2_HOME and HOME, the real `pm2` command, nothing left.

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killProcessesOf, pidsOf } from './daemonProcesses.ts';
import { cleanEnvironment, writeNpmrc } from './environment.ts';
import { releaseFolder, tempFolder } from './folders.ts';
import { noInspectorStaysOpen, type OpenInspector, openInspectors } from './inspectors.ts';
import { logsIn } from './pm2Logs.ts';
import { type AppConfig, type Pm2Process, type Pm2Version, pm2Folder } from './pm2Versions.ts';
import { DeadlineError, type RunResult, run } from './run.ts';
import { missedReply, parseReplies, type TriggerReply } from './triggerReplies.ts';
import { waitFor } from './wait-for.ts';
import { type Bus, callDaemon, listenToBus } from './wire.ts';

export interface Pm2Options {
  /** Major version of PM2; 7 unless told. */
  pm2?: Pm2Version;
  /** Node binary that runs the daemon, and what it finds as `node`; the running one unless told. */
  node?: string;
  /** Folder to use as HOME and for PM2_HOME; a temp folder unless told. It is not removed then. */
  home?: string;
  /** A folder whose files are in PM2_HOME from the start. */
  pm2Home?: string;
  /** Beside the cleaned environment of the caller, for the daemon and all that it starts. */
  env?: NodeJS.ProcessEnv;
}

export interface CommandOptions {
  timeoutMs?: number;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  onOutput?: (text: string) => void;
}

/** Starts a daemon. Call `kill()` in `after`; what is forgotten is killed at the end of the test process. */
export async function startPm2(options: Pm2Options = {}): Promise<Pm2> {
  const pm2 = new Pm2(options, await openInspectors());
  await pm2.run('ping');
  return pm2;
}

const running = new Set<Pm2>();
let configs = 0;

export class Pm2 {
  /** HOME of the daemon; PM2_HOME is `.pm2` in it. */
  readonly folder: string;
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly node: string;
  readonly version: string;
  readonly #ownFolder: boolean;
  readonly #command: string;
  readonly #buses: Bus[] = [];
  readonly #inspectorsBefore: readonly OpenInspector[];
  #npmrcWritten = false;

  /** @param inspectorsBefore what was open on this host before, and stays open */
  constructor(
    { pm2 = '7', node = process.execPath, home, pm2Home, env = {} }: Pm2Options = {},
    inspectorsBefore: readonly OpenInspector[] = [],
  ) {
    this.#inspectorsBefore = inspectorsBefore;
    const source = pm2Folder(pm2);
    this.#command = join(source, 'bin', 'pm2');
    this.version = (JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as { version: string }).version;
    this.#ownFolder = home === undefined;
    this.folder = home ?? tempFolder();
    this.home = join(this.folder, '.pm2');
    this.node = node;
    for (const folder of ['.pm2', 'bin', 'tmp']) mkdirSync(join(this.folder, folder), { recursive: true, mode: 0o700 });
    if (pm2Home !== undefined) cpSync(pm2Home, this.home, { recursive: true });
    // A file `touch` means "not the first start": no banner, no question to PM2's version server.
    writeFileSync(join(this.home, 'touch'), '0');
    const link = join(this.folder, 'bin', 'node');
    if (!existsSync(link)) symlinkSync(node, link);
    this.env = cleanEnvironment({
      HOME: this.folder,
      PM2_HOME: this.home,
      // PM2 keeps a module's backup under a fixed name in the temp folder.
      TMPDIR: join(this.folder, 'tmp'),
      PATH: `${join(this.folder, 'bin')}:${process.env.PATH}`,
      PM2_DISABLE_VERSION_CHECK: 'true',
      ...env,
    });
    running.add(this);
  }

  /** Runs `pm2 …` as a user would type it; any exit code is an answer, being late is an error. */
  run(...args: string[]): Promise<RunResult> {
    return this.runWith({}, ...args);
  }

  async runWith(
    { timeoutMs = 60_000, env = {}, cwd, onOutput }: CommandOptions,
    ...args: string[]
  ): Promise<RunResult> {
    if (args[0] === 'install' && !this.#npmrcWritten) {
      this.#npmrcWritten = true;
      if (!existsSync(join(this.folder, '.npmrc'))) await writeNpmrc(this.folder);
    }
    const options = {
      env: { ...this.env, ...env },
      timeoutMs,
      cwd: cwd ?? this.folder,
      ...(onOutput ? { onOutput } : {}),
    };
    return run(this.node, [this.#command, ...args], options);
  }

  /** As `run`, but any exit code other than 0 is an error that quotes the output. */
  async ok(...args: string[]): Promise<RunResult> {
    return this.okWith({}, ...args);
  }

  async okWith(options: CommandOptions, ...args: string[]): Promise<RunResult> {
    const result = await this.runWith(options, ...args);
    if (result.code !== 0)
      throw new Error(`pm2 ${args.join(' ')} exited with ${result.code}\n${result.stdout}\n${result.stderr}`);
    return result;
  }

  /** `pm2 jlist`, the command. For polling use `list`. */
  async jlist(): Promise<Pm2Process[]> {
    const { stdout } = await this.ok('jlist');
    const line = stdout.split('\n').findLast((text) => /^\[(\{|\])/.test(text));
    if (!line) throw new Error(`pm2 jlist printed no list: ${stdout}`);
    return JSON.parse(line) as Pm2Process[];
  }

  /** The same list straight from the daemon, in milliseconds. */
  async list(): Promise<Pm2Process[]> {
    return (await this.call('getMonitorData', {})) as Pm2Process[];
  }

  /** Calls a method of the daemon's own protocol. */
  call(method: string, ...args: object[]): Promise<unknown> {
    return callDaemon(join(this.home, 'rpc.sock'), method, args);
  }

  /** What is on PM2's bus from now on; closed by `kill`. */
  async bus(onEvent?: (event: string, data: Record<string, unknown>) => void): Promise<Bus> {
    const bus = await listenToBus(join(this.home, 'pub.sock'), onEvent);
    this.#buses.push(bus);
    return bus;
  }

  /** The processes called `name`, by rising pm_id. */
  async processes(name: string): Promise<Pm2Process[]> {
    return (await this.list()).filter((entry) => entry.name === name).sort((a, b) => a.pm_id - b.pm_id);
  }

  /** The only process called `name`. */
  async process(name: string): Promise<Pm2Process> {
    const found = await this.processes(name);
    if (found.length !== 1) throw new Error(`expected one process ${name}, found ${found.length}`);
    return found[0]!;
  }

  /** Waits until `count` processes called `name` are online, and for pm2's part ready. */
  async online(name: string, count = 1, timeoutMs = 15_000): Promise<Pm2Process[]> {
    return waitFor(
      async () => {
        const found = (await this.processes(name)).filter(({ pm2_env }) => pm2_env.status === 'online');
        return found.length === count && found;
      },
      { what: `${count} × ${name} online`, timeoutMs, context: () => this.logs(name) },
    );
  }

  /** Starts an app from a configuration, several of them, or `pm2 start FILE …args`; resolves to its processes. */
  async startApp(app: AppConfig | AppConfig[] | string, ...args: string[]): Promise<Pm2Process[]> {
    if (typeof app === 'string') {
      await this.ok('start', app, ...args);
      const given = args.indexOf('--name');
      return this.processes(given >= 0 ? args[given + 1]! : basename(app, extname(app)));
    }
    const apps = (Array.isArray(app) ? app : [app]).map((config) => ({
      cwd: existsSync(config.script) ? dirname(config.script) : this.folder,
      vizion: false,
      ...config,
    }));
    const file = join(this.folder, `apps-${++configs}.json`);
    writeFileSync(file, JSON.stringify({ apps }));
    await this.ok('start', file);
    const names = new Set(apps.map(({ name }) => name));
    return (await this.list()).filter(({ name }) => names.has(name)).sort((a, b) => a.pm_id - b.pm_id);
  }

  /** `pm2 trigger`, the command, with the deadline it lacks: every reply it printed, by rising pm_id. */
  async trigger<T = Record<string, unknown>>(
    target: string | number,
    action: string,
    param?: string | object,
    timeoutMs = 30_000,
  ): Promise<TriggerReply<T>[]> {
    const args = ['trigger', String(target), action];
    if (param !== undefined) args.push(typeof param === 'string' ? param : JSON.stringify(param));
    const result = await this.runWith({ timeoutMs }, ...args).catch((error: unknown) => {
      if (error instanceof DeadlineError) throw new Error(`${error.message}${missedReply(error)}\n${this.logs()}`);
      throw error;
    });
    if (result.code !== 0)
      throw new Error(`pm2 ${args.join(' ')} exited with ${result.code}\n${result.stdout}\n${result.stderr}`);
    return parseReplies<T>(result.stdout).sort((a, b) => a.pmId - b.pmId);
  }

  /** The reply of the one process that `target` names. */
  async triggerOne<T = Record<string, unknown>>(
    target: string | number,
    action: string,
    param?: string | object,
    timeoutMs?: number,
  ): Promise<T> {
    const replies = await this.trigger<T>(target, action, param, timeoutMs);
    if (replies.length !== 1)
      throw new Error(`expected one reply to ${action} from ${target}: ${JSON.stringify(replies)}`);
    return replies[0]!.value;
  }

  /** The reply to an app's own action. Its library may answer before PM2 counts, and then `pm2 trigger` prints the reply and
   * waits for ever; ours are held back for that, and have no such excuse. */
  async triggerAppsOwn<T = Record<string, unknown>>(target: string, action: string): Promise<T> {
    const { stdout } = await this.runWith({ timeoutMs: 8_000 }, 'trigger', target, action).catch((error: unknown) => {
      if (error instanceof DeadlineError) return error.result;
      throw error;
    });
    const [reply] = parseReplies<T>(stdout);
    if (reply === undefined) throw new Error(`${target} did not reply to ${action}: ${stdout}`);
    return reply.value;
  }

  /** Everything that processes called `name` (all of them without a name) wrote to their logs. */
  logs(name = ''): string {
    return logsIn(join(this.home, 'logs'), name);
  }

  /** The daemon's own log. */
  daemonLog(): string {
    const file = join(this.home, 'pm2.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  daemonPid(): number {
    return Number(readFileSync(join(this.home, 'pm2.pid'), 'utf8'));
  }

  /** Throws when an inspector stays open on this host, in whichever process, that was not there before. */
  async noInspectorStaysOpen(): Promise<void> {
    // PM2 overwrites the words that would show it.
    const processes = await this.list().catch(() => []);
    const told = processes.filter(({ pm2_env }) => /--inspect(?!-port)/.test(String(pm2_env.node_args)));
    return noInspectorStaysOpen(
      this.#inspectorsBefore,
      told.map(({ pid }) => pid),
    );
  }

  /** Ends the daemon and all that it started: politely, then whatever still carries this PM2_HOME. Throws when an inspector
   * was left open until then. */
  async kill({ keepFolder = false }: { keepFolder?: boolean } = {}): Promise<void> {
    // A daemon that was killed before cannot be asked.
    const leftOpen = running.has(this) ? await this.noInspectorStaysOpen().catch((error: Error) => error) : undefined;
    for (const bus of this.#buses) bus.close();
    await this.runWith({ timeoutMs: 20_000 }, 'kill').catch(() => {});
    // What the module leaves behind on purpose (a guard) ends by itself within a moment.
    for (let i = 0; i < 20 && this.pids().length > 0; i++) await sleep(50);
    this.killRest();
    running.delete(this);
    if (this.#ownFolder) releaseFolder(this.folder, keepFolder);
    rmSync(this.othersFolder(), { recursive: true, force: true });
    if (leftOpen) throw leftOpen;
  }

  /** What the module has made for apps of other users, if there were any. */
  othersFolder(): string {
    const place = createHash('sha256').update(join(this.home, 'pm2-ops')).digest('hex').slice(0, 12);
    return join('/var/lib/pm2-ops', place);
  }

  /** SIGKILL to exactly the processes of this daemon. */
  killRest(): void {
    killProcessesOf(this.home);
  }

  /** Every living process that was started with this PM2_HOME: the daemon, apps, their children. */
  pids(): number[] {
    return pidsOf(this.home);
  }
}

// However the test process ends, no daemon survives it.
process.on('exit', () => {
  for (const pm2 of running) pm2.killRest();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
}
