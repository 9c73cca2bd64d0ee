// Checks of an app with all its instances: what its clients notice when it is reloaded.
import { shellLine, shellWord } from '../../../shared/text/shell.ts';
import { isHoldable } from '../../door/whyNot.ts';
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
                say: 'this drains it before the signal; to have pm2 reload drain it, too, remove its handlers of SIGINT and SIGTERM',
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
        const { killTimeoutMs } = instances[0].process;
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
          ...instances.map(({ process: listed }) => host.statuses.get(listed.pid)?.keepAliveTimeoutMs ?? 0),
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
        const online = app.instances.filter(({ process: listed }) => listed.status === 'online');
        const cron = online[0]?.process.cronRestart;
        if (cron === undefined || online.length < 2) return [];
        return [
          {
            severity: 'warning',
            about: app.title,
            what: `cron_restart (${cron}) restarts all ${online.length} instances at the same moment: meanwhile no process takes connections`,
            // PM2 drops the job only when a process restarts under its id, which PM2's own reload does not do.
            type: [
              ...wordsOf(host, app).map((word) => `${shellLine('pm2', 'reload', word)} --cron-restart 0`),
              moduleAction('reload', app),
            ],
            ecosystem: { cron_restart: '0' },
            say: `instead, restart one after the other from a crontab (crontab -e): ${cron.split(/\s+/).slice(-5).join(' ')}  ${moduleAction('reload', app)}`,
          },
        ];
      }),
  },
  {
    name: 'unprepared',
    look: ({ members, doors, statuses }) =>
      byApp(members).flatMap((app): Found[] => {
        const isExposed = app.instances.some((member) => {
          const { mode, pid } = member.process;
          if (mode !== 'fork' || !statuses.get(pid)?.serves || !member.addresses?.some(isHoldable)) return false;
          return !doors.isPrepared(member) && doors.whyNot(member) === undefined;
        });
        if (!isExposed) return [];
        return [
          {
            severity: 'info',
            about: app.title,
            what: 'each restart refuses its clients until the next process listens',
            type: [moduleAction('reload', app)],
            say: 'that reload refuses nobody, and from then on no restart does',
          },
        ];
      }),
  },
  {
    name: 'alone',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const online = app.instances.filter(({ process: listed }) => listed.status === 'online');
        const [only] = online;
        if (!only || online.length > 1 || !host.statuses.get(only.process.pid)?.serves) return [];
        const words = wordsOf(host, app);
        if (only.process.mode === 'cluster')
          return [
            {
              severity: 'info',
              about: app.title,
              what: 'has one instance: no other one answers during a heap dump, and a drain needs force',
              ...(words[0] === app.name
                ? { each: { words, line: (word) => `pm2 scale ${word} 2` } }
                : { ecosystem: { instances: 2 }, say: 'then pm2 delete it, and pm2 start ecosystem.config.js' }),
            },
          ];
        const isHeld = host.doors.isPrepared(only) && host.doors.whyNot(only) === undefined;
        return [
          {
            severity: 'info',
            about: app.title,
            what: `runs as a single process in fork mode: no other one ${isHeld ? '' : 'takes connections while it restarts, or '}answers during a heap dump`,
            ecosystem: { exec_mode: 'cluster', instances: 2 },
            // PM2 changes neither mode nor count of an app that it has. After the delete, the file starts the app anew.
            say: `if the app can run twice: change the file, then ${words.map((word) => `pm2 delete ${shellWord(word)}`).join(' && ')} && pm2 start ecosystem.config.js${/[\s,]/.test(app.name) ? '' : ` --only ${shellWord(app.name)}`}`,
          },
        ];
      }),
  },
];
