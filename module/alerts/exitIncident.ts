// Says of which exits a person wants to hear: those that the app or the outside has caused, and those after which PM2 gave up.
// A restart or a stop that somebody asked for is none, nor is a job that has done its work.
import type { Incident } from '../../contract/alerts.ts';
import { titleOf } from '../../contract/app.ts';
import type { Cause, ExitRecord } from '../../contract/exits.ts';
import { shellWord } from '../../shared/text/shell.ts';

/** Causes that are an incident whatever followed. */
const FAILURES: ReadonlySet<Cause> = new Set([
  'uncaught-exception',
  'signal',
  'kernel-out-of-memory',
  'heap-out-of-memory',
  'kill-timeout',
  'memory-limit',
]);

/** @returns undefined for an exit that nobody has to hear of */
export function incidentOfExit(record: ExitRecord): Incident | undefined {
  const { namespace, name, cause, pmId, pid, at, headline, followed } = record;
  const gaveUp = followed?.is === 'gave-up';
  if (!gaveUp && !isFailure(record)) return undefined;
  // PM2 takes the code 0 of an exception in cluster mode for the end of a job, and leaves the process stopped.
  const isDown = gaveUp || (followed?.is === 'stop-exit-code' && cause !== 'exit-call');
  return {
    key: `exit:${namespace}:${name}:${cause}`,
    state: 'firing',
    severity: isDown ? 'critical' : 'warning',
    title: `${titleOf(record)} (id ${pmId}): ${headline}${isDown ? '; it is down' : ''}`,
    details: detailsOf(record),
    app: { namespace, name },
    process: { pmId, pid },
    next: `pm2-ops why ${shellWord(titleOf(record))}`,
    at,
  };
}

function isFailure({ cause, code, followed }: ExitRecord): boolean {
  if (cause === 'exit-call') return code !== null && code !== 0 && followed?.is !== 'stop-exit-code';
  return FAILURES.has(cause);
}

function detailsOf({ evidence, certainty, uptimeMs, restarts, requests, followed }: ExitRecord): string[] {
  return [
    ...(certainty === 'probable' ? ['probably: the evidence fits, and another cause would look the same'] : []),
    ...evidence.slice(0, 5),
    `it was up for ${Math.round(uptimeMs / 1000)} s; PM2 had restarted it ${restarts} times`,
    ...(requests && requests.cut > 0 ? [`${requests.cut} requests were cut`] : []),
    ...(followed ? [FOLLOWED[followed.is](followed as never)] : []),
  ];
}

type By<Is extends NonNullable<ExitRecord['followed']>['is']> = Extract<ExitRecord['followed'], { is: Is }>;

const FOLLOWED: { [Is in NonNullable<ExitRecord['followed']>['is']]: (followed: By<Is>) => string } = {
  started: ({ pid, afterMs }) => `PM2 has started it again after ${afterMs} ms: pid ${pid}`,
  backoff: ({ delayMs }) => `PM2 starts it again in ${delayMs} ms`,
  'gave-up': ({ restarts }) => `PM2 gave up after ${restarts} restarts in a row: it stays down`,
  'stop-exit-code': ({ code }) => `PM2 left it stopped, because ${code} is one of stop_exit_codes`,
  'no-autorestart': () => 'PM2 left it stopped: autorestart is off',
  stopped: () => 'PM2 was told to stop it',
  deleted: () => 'PM2 was told to delete it',
};
