// `pm2-ops reload web`: a rolling reload that a bad deploy cannot get through.
import type { ReloadRefused, ReloadReply } from '../../commandProtocol.ts';
import { askModule } from '../askModule.ts';
import { type Command, UsageError } from '../command.ts';
import { paint } from '../table.ts';

export const reload: Command = {
  name: 'reload',
  summary: 'Reloads an app without losing a request; a deploy that does not come up replaces nothing.',
  arguments: ['<app>'],
  options: {
    timeout: { type: 'string', help: 'milliseconds an instance may take to become ready (30000)' },
    settle: { type: 'string', help: 'milliseconds for which the first one must stay up (3000)' },
    health: { type: 'string', help: "a path on the app's port, or a URL, that must answer 2xx" },
    drain: { type: 'string', help: 'milliseconds that requests in flight may take to finish (30000)' },
    patient: { type: 'string', help: 'milliseconds with keep-alive off before anything is drained (0)' },
    'update-env': { type: 'boolean', help: 'take over the environment of this command' },
    force: { type: 'boolean', help: 'in fork mode: restart it, though clients are refused meanwhile' },
    json: { type: 'boolean', help: 'print the reply as JSON, for scripts' },
  },
  async run({ values, positionals: [app] }) {
    if (app === undefined) throw new UsageError('which app? for example: pm2-ops reload web');
    const { json, 'update-env': updateEnv, ...options } = values;
    const params = { app, ...options, ...(updateEnv === true ? { env: { ...process.env } } : {}) };
    const reply = await askModule<ReloadReply | ReloadRefused>('reload', params, ({ message, ms }) => {
      if (json !== true) console.log(`${paint('grey', `${(ms / 1000).toFixed(1).padStart(6)} s`)}  ${message}`);
    });
    if (json === true) console.log(JSON.stringify(reply, null, 2));
    else if (reply.ok) console.log(success(reply));
    else console.error(failure(reply));
    return reply.ok ? 0 : 1;
  },
};

function success({ app, instances, ms }: ReloadReply): string {
  return `${app} is reloaded: ${instances} instance(s) in ${(ms / 1000).toFixed(1)} s; look with: pm2-ops status`;
}

function failure({ code, message, hint, logs = [] }: ReloadRefused): string {
  const tail = logs.length > 0 ? ['its last log lines:', ...logs.map((line) => `  | ${line}`)] : [];
  return [`pm2-ops: ${message} (${code})`, ...tail, hint].join('\n');
}
