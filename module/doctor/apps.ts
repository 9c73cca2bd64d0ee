// Checks of an app with all its instances: what its clients notice when it is reloaded.
import { NAME } from '../protocol.ts';
import { byApp, type Check, type Found } from './finding.ts';

export const APP_CHECKS: Check[] = [
  {
    name: 'own-signal-handler',
    look: ({ members }) =>
      byApp(members).flatMap(({ title, instances }): Found[] =>
        instances.some(({ graceful }) => graceful === 'app')
          ? [
              {
                severity: 'info',
                about: title,
                what: 'handles SIGINT itself, so it is not drained when PM2 ends it: whether it drops requests is up to its handler',
                fix: `drained before the signal all the same: ${NAME} reload ${title}; or take the handler out`,
              },
            ]
          : [],
      ),
  },
  {
    name: 'kill-timeout',
    look: ({ members, statuses, fleet }) =>
      byApp(members).flatMap(({ app, title, name, instances }): Found[] => {
        const [
          {
            process: { killTimeoutMs },
          } = { process: { killTimeoutMs: 0 } },
        ] = instances;
        const set = (ms: number) => `kill_timeout: ${ms} in its ecosystem file, then: pm2 reload ${name}`;
        const suggested = fleet.leaves.get(app)?.suggestedKillTimeoutMs;
        if (suggested !== undefined && suggested > killTimeoutMs) {
          const { cut, cutRequests } = fleet.leaves.get(app)!;
          const which = cutRequests.length > 0 ? ` (${cutRequests.join(', ')})` : '';
          return [
            {
              severity: 'error',
              about: title,
              what: `its last exit cut ${cut} request(s)${which}, which did not fit into kill_timeout ${killTimeoutMs}`,
              fix: set(suggested),
            },
          ];
        }
        const idleMs = Math.max(
          0,
          ...instances.map(({ process }) => statuses.get(process.pid)?.keepAliveTimeoutMs ?? 0),
        );
        if (idleMs <= killTimeoutMs || instances.some(({ graceful }) => graceful !== 'ours')) return [];
        return [
          {
            severity: 'info',
            about: title,
            what: `kill_timeout (${killTimeoutMs} ms) is shorter than its keepAliveTimeout (${idleMs} ms): a client that pauses longer than that on a connection may lose its next request to a reload`,
            fix: set(idleMs + 1000),
          },
        ];
      }),
  },
  {
    name: 'alone',
    look: ({ members, statuses }) =>
      byApp(members).flatMap(({ title, name, instances }): Found[] => {
        const online = instances.filter(({ process }) => process.status === 'online');
        const [only] = online;
        if (!only || online.length > 1 || !statuses.get(only.process.pid)?.serves) return [];
        const fork = only.process.mode === 'fork';
        return [
          {
            severity: 'info',
            about: title,
            what: fork
              ? 'runs as a single process in fork mode: clients are refused while it restarts, and during a dump nobody answers'
              : 'has one instance: during a dump nobody answers, and it is not drained unless forced',
            fix: fork
              ? `exec_mode: 'cluster', instances: 2 in its ecosystem file, then: pm2 delete ${name} && pm2 start`
              : `pm2 scale ${name} 2`,
          },
        ];
      }),
  },
];
