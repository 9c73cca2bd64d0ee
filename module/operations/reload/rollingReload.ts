// Reloads apps so that a bad deploy never replaces a good worker. Here a reload is asked for: one run of an app at a time,
// refused where it cannot begin, answered within a deadline. reloadRun.ts has the steps of a run.
import { type App, appOf, titleOf } from '../../../contract/app.ts';
import type { ReloadProgress, ReloadRefused, ReloadReply } from '../../../contract/commandMessages.ts';
import type { Failure } from '../../../contract/errors.ts';
import { NAME } from '../../../contract/names.ts';
import { shellLine } from '../../../shared/text/shell.ts';
import { type MeantApp, oneApp } from '../../fleet/target.ts';
import type { ReloadParts, ReloadRequest } from './context.ts';
import { instancesOf } from './formerAddresses.ts';
import { putRight } from './interruptedReload.ts';
import { refused } from './reloadFailure.ts';
import { createReloadRun, type ReloadRun } from './reloadRun.ts';

const LIKE_A_FILE = /\.(json5?|ya?ml|config\.[cm]?js)$/;

/** The module's reloads. */
export interface RollingReload {
  /** Settles in any case, and never later than the deadline that its first progress line tells. */
  reload(request: ReloadRequest, tell: (progress: ReloadProgress) => void): Promise<ReloadReply | ReloadRefused>;
  /** Does a reload of this app run, or is an interrupted one being put right? */
  runs(app: App): boolean;
  /** Puts right what a module left behind that was killed in the middle of a reload. */
  recover(): Promise<void>;
  /** Ends the runs: canaries go, drained instances serve again. */
  close(): Promise<void>;
}

/** No reload runs yet. */
export function createRollingReload(parts: ReloadParts): RollingReload {
  const running = new Map<App, { run: ReloadRun; done: Promise<unknown>; sinceMs: number }>();
  /** Apps whose reload was interrupted by the end of a module, until that is put right. */
  const interrupted = new Set<App>();
  parts.daemon.onProcessEvent((event, pmId) => {
    for (const { run } of running.values()) run.noticed(event, pmId);
  });
  for (const type of ['log:out', 'log:err']) {
    parts.daemon.onBusEvent(type, (pmId, text) => {
      for (const { run } of running.values()) run.heard(pmId, text);
    });
  }

  return {
    async reload(request, tell) {
      await parts.refresh();
      const meant = oneApp(parts.fleet, request.app, 'reload');
      if (!('title' in meant)) return LIKE_A_FILE.test(request.app) ? noFile(request, meant) : meant;
      const refusal = whyNotNow(meant);
      if (refusal) return refusal;
      const members = instancesOf(parts.fleet, meant.app);
      const run = createReloadRun(parts, meant, request, members, tell);
      const done = run.run();
      running.set(meant.app, { run, done, sinceMs: performance.now() });
      done.finally(() => running.delete(meant.app)).catch(() => {});
      return await inTime(done, run);
    },
    runs: (app) => running.has(app) || interrupted.has(app),
    async recover() {
      const { journal, log } = parts;
      const unfinished = journal.read();
      for (const reload of unfinished) interrupted.add(appOf(reload));
      for (const reload of unfinished) {
        await putRight(reload, parts).catch((error: Error) => log(`reload ${titleOf(reload)}: ${error.message}`));
        journal.clear(appOf(reload));
        interrupted.delete(appOf(reload));
      }
    },
    async close() {
      for (const { run } of running.values()) run.abort('the module is going down');
      await Promise.allSettled([...running.values()].map(({ done }) => done));
    },
  };

  function whyNotNow({ app, title }: MeantApp): Failure | undefined {
    const busy = running.get(app);
    if (busy) {
      const seconds = Math.round((performance.now() - busy.sinceMs) / 1000);
      return refused('E_BUSY', `a reload of ${title} has been running for ${seconds} s`, 'wait for its end');
    }
    if (interrupted.has(app)) {
      return refused('E_BUSY', `an interrupted reload of ${title} is being put right`, 'try again in a few seconds');
    }
    const dumping = parts.dumping(app);
    if (dumping === undefined) return undefined;
    const message = `instance ${dumping} of ${title} writes a heap dump, which a reload would end in the middle`;
    return refused('E_BUSY', message, 'wait for its end (seconds to minutes), then reload again');
  }
}

/** The caller gets an answer, whatever happens inside the run. */
async function inTime(
  done: Promise<ReloadReply | ReloadRefused>,
  run: ReloadRun,
): Promise<ReloadReply | ReloadRefused> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Failure>((resolve) => {
    timer = setTimeout(() => {
      run.abort('it took longer than its deadline');
      const message = `the reload did not finish within ${run.deadlineMs} ms; it is being undone`;
      resolve(refused('E_TIMEOUT', message, 'look with: pm2-ops status'));
    }, run.deadlineMs);
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The command reads ecosystem files, where they are; the module gets the names of apps. */
function noFile({ app, by }: ReloadRequest, failure: Failure): Failure {
  const hint =
    by === 'command'
      ? 'there is no such file here; look with: ls, and pm2 ls'
      : `a file is read by the command: ${shellLine(NAME, 'reload', app)}`;
  return { ...failure, message: `"${app}" is no app and no id that PM2 manages`, hint };
}
