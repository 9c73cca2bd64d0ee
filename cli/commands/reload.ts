// `pm2-ops reload web`: a rolling reload that a bad deploy cannot get through.

import { DEFAULT_NAMESPACE } from '../../contract/app.ts';
import type { ReloadRefused, ReloadReply } from '../../contract/commandMessages.ts';
import { aboutReloadTime, RELOAD_TIMES } from '../../contract/reload.ts';
import { printable, printableValue } from '../../shared/text/printable.ts';
import { shellLine } from '../../shared/text/shell.ts';
import { type AppOfFile, appsOfFile } from '../appsOfFile.ts';
import { askModule, findPm2 } from '../askModule.ts';
import { type Command, UsageError } from '../command.ts';
import { complain, say, sayJson } from '../output.ts';
import { paint } from '../table.ts';

/** PM2 decides; this only spares the question. */
const MAY_BE_FILE = /\.(json5?|ya?ml|[cm]?js)$/;

export const reload: Command = {
  name: 'reload',
  summary: 'Reloads an app without losing a request; a deploy that does not come up replaces nothing.',
  arguments: ['<app|id|ecosystem file>'],
  options: {
    timeout: { type: 'string', help: aboutReloadTime('timeout') },
    settle: { type: 'string', help: aboutReloadTime('settle') },
    health: { type: 'string', help: "a path on the app's port, or a URL, that must answer 2xx" },
    drain: { type: 'string', help: aboutReloadTime('drain') },
    patient: { type: 'string', help: aboutReloadTime('patient') },
    'update-env': { type: 'boolean', help: 'take over the environment of this command' },
    force: {
      type: 'boolean',
      help: 'go on where clients are refused for a moment, or at an address that is given up',
    },
    json: { type: 'boolean', help: 'print the reply as JSON, for scripts' },
  },
  async run({ values, positionals: [app] }) {
    if (!app) throw new UsageError('which app? for example: pm2-ops reload web');
    for (const name of Object.keys(RELOAD_TIMES))
      if (values[name] !== undefined && !/^\d+$/.test(String(values[name])))
        throw new UsageError(`--${name} must be a whole number of milliseconds, not ${JSON.stringify(values[name])}`);
    const { json, 'update-env': updateEnv, ...options } = values;
    const env = updateEnv === true ? { env: { ...process.env } } : {};
    const apps = MAY_BE_FILE.test(app) ? appsOfFile(app, findPm2()) : undefined;
    if (!apps) return (await reloadOne({ app, ...options, ...env }, json === true)) ? 0 : 1;
    if (apps.length === 0) throw new UsageError(`${app} names no app`);
    if (json !== true) say(printable(whatOfFile(app, apps)));
    // One after the other: a bad deploy of one holds the others back.
    for (const each of apps) {
      const params = { app: each.target, ...options, env: { ...env.env, ...each.env } };
      if (!(await reloadOne(params, json === true))) return 1;
    }
    return 0;
  },
};

/** @returns whether it went through */
async function reloadOne(params: Record<string, unknown>, asJson: boolean): Promise<boolean> {
  const reply = await askModule<ReloadReply | ReloadRefused>('reload', params, ({ message, ms }) => {
    if (!asJson) say(`${paint('grey', `${(ms / 1000).toFixed(1).padStart(6)} s`)}  ${printable(message)}`);
  });
  if (asJson) sayJson(reply, 2);
  else if (reply.ok) say(success(printableValue(reply)));
  else complain(failure(printableValue(reply)));
  return reply.ok;
}

function whatOfFile(file: string, apps: AppOfFile[]): string {
  const names = apps.map(({ target }) => target.replace(new RegExp(`^${DEFAULT_NAMESPACE}:`), '')).join(', ');
  return [
    `${file} names ${names}: reloaded with the env in that file${apps.length > 1 ? ', one after the other' : ''};`,
    `only PM2 itself applies its other settings: ${shellLine('pm2', 'reload', file)}`,
  ].join(' ');
}

function success({ app, instances, ms }: ReloadReply): string {
  return `${app} is reloaded: ${instances} instance(s) in ${(ms / 1000).toFixed(1)} s; look with: pm2-ops status`;
}

function failure({ code, message, hint, logs = [] }: ReloadRefused): string {
  const tail = logs.length > 0 ? ['its last log lines:', ...logs.map((line) => `  | ${line}`)] : [];
  return [`pm2-ops: ${message} (${code})`, ...tail, hint].join('\n');
}
