// `pm2-ops init my-service`: a new service from app-template, installed, built and ready for `pm2 start`.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, delimiter, join, relative, resolve } from 'node:path';
import { shellWord } from '../../shared/text/shell.ts';
import { type Command, UsageError } from '../command.ts';
import { runNpm } from '../npm.ts';
import { say } from '../output.ts';
import { dependOnOwnPackage } from '../ownPackage.ts';
import { createProgressLine } from '../progressLine.ts';
import { copyTemplate, nameProblem, TEMPLATE_PORT } from '../template.ts';

export const init: Command = {
  name: 'init',
  summary: 'Makes a new service that starts, serves and stops well by its own code.',
  arguments: ['<folder>'],
  options: {
    name: { type: 'string', help: "the service's name; the folder's unless given" },
    port: { type: 'string', help: `the port it listens on (${TEMPLATE_PORT})` },
    'no-install': { type: 'boolean', help: 'leave npm ci and npm run build to you' },
  },
  async run({ values, positionals: [given] }) {
    if (given === undefined) throw new UsageError('where? for example: pm2-ops init my-service');
    const folder = resolve(given);
    const name = nameFrom(values.name, folder);
    const port = portFrom(values.port);
    refuseUnlessEmpty(folder);
    let dependency = '';
    const files = await copyTemplate(folder, { name, port }, async () => {
      dependency = await dependOnOwnPackage(folder);
    });
    say(`${name}: ${files.length} files in ${folder}\n${dependency}`);
    const install = values['no-install'] !== true;
    if (install) for (const step of STEPS) await npm(step, folder);
    say(next({ folder, name, port, install }));
    return 0;
  },
};

const STEPS = [['ci'], ['run', 'build']];

function nameFrom(value: unknown, folder: string): string {
  const name = typeof value === 'string' ? value : basename(folder);
  const problem = nameProblem(name);
  if (problem === undefined) return name;
  throw new UsageError(typeof value === 'string' ? problem : `${problem}; give it one: --name my-service`);
}

function portFrom(value: unknown): number {
  if (value === undefined) return TEMPLATE_PORT;
  const port = Number(value);
  if (/^\d+$/.test(String(value)) && port >= 1 && port <= 65_535) return port;
  throw new UsageError(`--port must be a number from 1 to 65535, got "${value}"`);
}

function refuseUnlessEmpty(folder: string): void {
  if (!existsSync(folder)) return;
  if (!statSync(folder).isDirectory()) throw new Error(`${folder} is a file; nothing was changed. Give another name`);
  const entries = readdirSync(folder);
  if (entries.length === 0) return;
  const some = entries.slice(0, 3).join(', ') + (entries.length > 3 ? ', …' : '');
  throw new Error(`${folder} is not empty (${some}); nothing was changed. Give the name of a new folder`);
}

/** Runs npm there, shows for how long, and prints its output only if it failed. */
async function npm(args: string[], cwd: string): Promise<void> {
  const what = `npm ${args.join(' ')}`;
  const progress = createProgressLine(false);
  const started = performance.now();
  const show = () => progress.show(performance.now() - started, `${what} …`, what);
  show();
  const timer = setInterval(show, 100);
  try {
    const { code, said } = await runNpm(args, cwd);
    if (code !== 0) throw new Error(`${said.trim()}\n${what} failed with exit code ${code}`);
  } catch (error) {
    throw new Error(
      `${(error as Error).message}\nThe service is there. When that is repaired: cd ${shellWord(cwd)} && npm ci && npm run build`,
    );
  } finally {
    clearInterval(timer);
    progress.end();
  }
}

function next({
  folder,
  name,
  port,
  install,
}: {
  folder: string;
  name: string;
  port: number;
  install: boolean;
}): string {
  const where = relative(process.cwd(), folder);
  const steps: [command: string, why?: string][] = [
    ...(where === '' ? [] : [[`cd ${shellWord(where)}`] as [string]]),
    ...(install ? [] : [['npm ci && npm run build'] as [string]]),
    ['npm test'],
    ...(hasPm2() ? [] : [['npm install -g pm2', 'there is no pm2 on the PATH yet'] as [string, string]]),
    ['pm2 start ecosystem.config.cjs', 'one worker per CPU that may be used here'],
    [`curl localhost:${port}/health/ready`],
    [`pm2 reload ${name}`, 'under load: no request fails'],
  ];
  const width = Math.max(...steps.map(([command]) => command.length));
  const lines = steps.map(([command, why]) => `  ${why ? `${command.padEnd(width)}  # ${why}` : command}`);
  return ['', 'Next:', ...lines, '', 'What is where, and what to replace by yours: README.md'].join('\n');
}

function hasPm2(): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'pm2')));
}
