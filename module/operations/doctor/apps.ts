// Checks of an app with all its instances: what its clients notice when it is reloaded.
import { shellLine, shellWord } from '../../../shared/text/shell.ts';
import { byApp, type Check, type Found } from './finding.ts';
import { moduleAction, reloadWith, wordsOf } from './lines.ts';

export const APP_CHECKS: Check[] = [
  {
    name: 'own-signal-handler',
    look: ({ members }) =>
      byApp(members).flatMap((app): Found[] =>
        app.instances.some(({ graceful }) => graceful === 'app')
          ? [
              {
                severity: 'info',
                about: app.title,
                what: 'handles SIGINT itself, so it is not drained when PM2 ends it: whether it drops requests is up to its handler',
                type: [moduleAction('reload', app)],
                say: 'that drains it before the signal; for pm2 reload to do so, too, take its handlers of SIGINT and SIGTERM out',
              },
            ]
          : [],
      ),
  },
  {
    name: 'kill-timeout',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const { title, instances } = app;
        const [{ process }] = instances;
        const { killTimeoutMs } = process;
        const set = (ms: number) => ({
          each: reloadWith(host, app, '--kill-timeout', String(ms)),
          ecosystem: { kill_timeout: ms },
        });
        const last = host.fleet.exitReports.get(app.app);
        if (last?.suggestedKillTimeoutMs !== undefined && last.suggestedKillTimeoutMs > killTimeoutMs) {
          const which = last.cutRequests.length > 0 ? ` (${last.cutRequests.join(', ')})` : '';
          return [
            {
              severity: 'error',
              about: title,
              what: `its last exit cut ${last.cut} request(s)${which}, which did not fit into kill_timeout ${killTimeoutMs}`,
              ...set(last.suggestedKillTimeoutMs),
            },
          ];
        }
        const idleMs = Math.max(
          0,
          ...instances.map(({ process }) => host.statuses.get(process.pid)?.keepAliveTimeoutMs ?? 0),
        );
        if (idleMs <= killTimeoutMs || instances.some(({ graceful }) => graceful !== 'ours')) return [];
        return [
          {
            severity: 'info',
            about: title,
            what: `kill_timeout (${killTimeoutMs} ms) is shorter than keepAliveTimeout (${idleMs} ms): a client that pauses longer than that on a connection may lose its next request to a reload`,
            ...set(idleMs + 1000),
          },
        ];
      }),
  },
  {
    name: 'cron-restart',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const online = app.instances.filter(({ process }) => process.status === 'online');
        const cron = online[0]?.process.cronRestart;
        if (cron === undefined || online.length < 2) return [];
        return [
          {
            severity: 'warning',
            about: app.title,
            what: `cron_restart (${cron}) restarts all ${online.length} instances at the same moment: clients are refused meanwhile`,
            // PM2 forgets the job itself only when a process restarts under its id, which its own reload does not do.
            type: [
              ...wordsOf(host, app).map((word) => `${shellLine('pm2', 'reload', word)} --cron-restart 0`),
              moduleAction('reload', app),
            ],
            ecosystem: { cron_restart: '0' },
            say: `instead, in a crontab (crontab -e), one after the other: ${cron.split(/\s+/).slice(-5).join(' ')}  ${moduleAction('reload', app)}`,
          },
        ];
      }),
  },
  {
    name: 'alone',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const online = app.instances.filter(({ process }) => process.status === 'online');
        const [only] = online;
        if (!only || online.length > 1 || !host.statuses.get(only.process.pid)?.serves) return [];
        const words = wordsOf(host, app);
        if (only.process.mode === 'cluster')
          return [
            {
              severity: 'info',
              about: app.title,
              what: 'has one instance: during a dump nobody answers, and it is not drained unless forced',
              ...(words[0] === app.name
                ? { each: { words, line: (word) => `pm2 scale ${word} 2` } }
                : { ecosystem: { instances: 2 }, say: 'then pm2 delete it, and pm2 start ecosystem.config.js' }),
            },
          ];
        return [
          {
            severity: 'info',
            about: app.title,
            what: 'runs as a single process in fork mode: clients are refused while it restarts, and during a dump nobody answers',
            ecosystem: { exec_mode: 'cluster', instances: 2 },
            // PM2 changes neither in a process that it has; the file starts what is missing, and restarts the rest of it.
            say: `if it may run twice: after that ${words.map((word) => `pm2 delete ${shellWord(word)}`).join(' && ')} && pm2 start ecosystem.config.js${/[\s,]/.test(app.name) ? '' : ` --only ${shellWord(app.name)}`}`,
          },
        ];
      }),
  },
];
