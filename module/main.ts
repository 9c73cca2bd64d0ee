// The PM2 module: one long-lived process for each PM2 daemon. This file composes the rooms, and does nothing else.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AGENT_MESSAGE, type Grant, LEASE_MS } from '../contract/agentMessages.ts';
import type { App } from '../contract/app.ts';
import { DOOR_AGENT_FILE, DOOR_FILE } from '../contract/door.ts';
import { MODULE_FILE } from '../contract/names.ts';
import type { PmId } from '../contract/pmId.ts';
import { VERSION } from '../contract/version.ts';
import { printable } from '../shared/text/printable.ts';
import { redact } from '../shared/text/redact.ts';
import { createAgentCalls } from './agents/agentCalls.ts';
import { createAttaching } from './agents/attaching.ts';
import { createBadMessages } from './agents/badMessages.ts';
import { createAgentEars } from './agents/hearAgents.ts';
import type { Services } from './agents/services.ts';
import { openAlerts } from './alerts/alerts.ts';
import { answerCommands } from './api/commandBus.ts';
import { createExecute } from './api/execute.ts';
import { listTriggers } from './api/triggers.ts';
import { createAttacher, readScript } from './attach/index.ts';
import { openDoors } from './door/openDoors.ts';
import { createEvents } from './events/events.ts';
import { createFigures } from './figures/figures.ts';
import { createFleet } from './fleet/fleet.ts';
import { createResponsiveness } from './fleet/responsiveness.ts';
import { describe, installLastResort, startAnew } from './lastResort.ts';
import { createListing } from './listing.ts';
import { createActionRuns } from './operations/actionRuns.ts';
import { createCompressor } from './operations/compressor.ts';
import { createCoordinator } from './operations/coordinator.ts';
import { createExtraInstances } from './operations/extraInstance.ts';
import { createLastServing } from './operations/lastServing.ts';
import { createReloadJournal } from './operations/reload/reloadJournal.ts';
import { reloadParamsOf } from './operations/reload/reloadParams.ts';
import { createRollingReload } from './operations/reload/rollingReload.ts';
import { lookInto } from './operations/stack.ts';
import { createTurns } from './operations/turns.ts';
import { becomeActive } from './pm2/active.ts';
import { connectDaemon } from './pm2/daemon.ts';
import { watchOwnCalls } from './pm2/ownCalls.ts';
import { loadPm2 } from './pm2/pm2Client.ts';
import { scheduleReader } from './pm2/schedule.ts';
import { readSettings } from './pm2/settings.ts';
import { openDaemonLogFile } from './recorder/daemonLogFile.ts';
import { readLeftBehind } from './recorder/leftBehind.ts';
import { createRecorder } from './recorder/recorder.ts';
import { openExitStore } from './recorder/store.ts';
import { openRules } from './rules/rules.ts';
import { endInOrder } from './shutdown.ts';
import { keepFile } from './state/keptFile.ts';
import { openState, uidOf } from './state/state.ts';

/** Pause between an event of PM2 and the reading of its list, because a restart causes several events. */
const SETTLE_MS = 30;
/** The same after an agent's hello, because the agent registers its actions after it. */
const HELLO_SETTLE_MS = 300;

const log = (line: string) => console.log(`pm2-ops: ${printable(redact(line))}`);

async function main(): Promise<void> {
  const pm2Home = process.env.PM2_HOME ?? join(process.env.HOME ?? '/root', '.pm2');
  const leaseMs = Number(process.env.PM2_OPS_LEASE_MS) || LEASE_MS;
  const { settings, refused, alertUrl } = readSettings(pm2Home);
  for (const line of refused) log(line);

  const state = openState(pm2Home);
  const { folder } = state;
  const exits = openExitStore({ folder, maxBytes: settings.record_max_bytes, log });
  const pm2File = process.argv[1] ?? '';
  const daemon = await connectDaemon(loadPm2(pm2File), (error) => {
    log(`failed at something on PM2's bus, and goes on: ${describe(error)}`);
  });
  await becomeActive(daemon, ({ pmId }) => log(`stands by: pm2-ops with id ${pmId} acts for this daemon`));

  const events = createEvents(log);
  const fleet = createFleet(({ isModule, pid }) => !isModule && pid !== process.pid);
  daemon.onReady(fleet.saidReady);
  events.on('exit-report', ({ app, report }) => void fleet.exitReports.set(app, report));
  const listing = createListing({ daemon, fleet, events, log });
  const { refresh } = listing;
  const calls = createAgentCalls(daemon.send);
  const attacher = createAttacher({ stateDir: folder, guardScript: beside('guard.cjs'), log });
  const script = readScript(beside('agent.cjs'));
  const attaching = createAttaching({
    ...{ daemon, fleet, events, refresh, log },
    ...{ attacher, settings, state, script, leaseMs },
  });
  const { attachLoop, handshake, successors, optionsAtStart } = attaching;
  const services: Services = { fleet, daemon, calls, events, refresh, askState: handshake.askState, log };

  const answer = (pmId: PmId, id: string, grant: Grant) => {
    daemon.send(pmId, { kind: 'verdict', id, verdict: grant }).catch(() => {});
  };
  const compressor = createCompressor(folder, (pid) => uidOf(pid) === process.geteuid?.(), answer);
  const own = watchOwnCalls(daemon);
  const doors = openDoors({ ...services, settings, optionsAtStart }, folder);
  const journal = createReloadJournal(folder);
  const extraInstances = createExtraInstances({
    ...{ ...services, daemon: own.as('heapdump scale=true') },
    ...{ doors, journal },
  });
  const turns = createTurns();
  const dumping = (app: App) => turns.current(app)?.taker.pmId;
  const reloading = (app: App) => reloads.runs(app);
  const coordinator = createCoordinator({ ...services, turns, extraInstances, answer, reloading });
  const reloads = createRollingReload({ ...services, daemon: own.as('reload'), doors, journal, dumping });
  const lastServing = createLastServing({ ...services, reloading, dumping });
  const responsiveness = createResponsiveness(fleet, handshake.answers, events);
  const bad = createBadMessages(fleet, log);
  const speed = Number(process.env.PM2_OPS_ALERT_SPEED) || 1;
  const alerts = openAlerts({ settings, alertUrl, folder, events, fleet, log, speed });

  const figures = createFigures({ fleet, events, stateFolder: folder });
  const recorder = createRecorder({
    ...{ daemon, fleet, events, own, refresh, folder, log },
    ...{ store: exits, left: readLeftBehind(figures, folder), isScheduled: scheduleReader(pm2File) },
    daemonLog: openDaemonLogFile(process.env.PM2_LOG_FILE_PATH ?? join(pm2Home, 'pm2.log')),
  });

  events.on('exited', ({ process: { pid } }) => {
    coordinator.gone(pid);
    compressor.cancel((job) => job.pid === pid);
  });
  listing.onChanges(({ added, removed }) => {
    if (removed.length > 0) state.sweep();
    successors.replaced(removed);
    attachLoop.tellKept(fleet.members());
    attachLoop.look(added);
    extraInstances.sweep();
  });
  events.on('listed', lastServing.look);
  events.on('state', lastServing.look);
  daemon.onBusEvent(
    AGENT_MESSAGE,
    createAgentEars({
      ...{ ...attaching, fleet, events, coordinator, compressor, calls, bad },
      send: daemon.send,
      onHello: () => listing.refreshSoon(HELLO_SETTLE_MS),
    }),
  );
  daemon.onExit(doors.exited);
  daemon.onProcessEvent((event, pmId, restarts) => {
    if (event === 'online') successors.succeeded(pmId, restarts);
    listing.refreshSoon(SETTLE_MS);
  });

  writeFileSync(join(folder, MODULE_FILE), JSON.stringify({ pid: process.pid, version: VERSION, pm2File }), {
    mode: 0o600,
  });
  const agentFile = keepFile(folder, beside('agent-preload.cjs'));
  for (const each of [DOOR_AGENT_FILE, DOOR_FILE]) keepFile(folder, beside(each));
  await attacher.recover();
  state.sweep();
  const renewal = setInterval(() => state.renewLease(), leaseMs / 6);
  listing.start();
  await refresh();
  alerts.start();

  const runs = createActionRuns({ ...services, turns, folder, sweep: state.sweep });
  const rules = openRules({
    ...{ fleet, events, settings, folder, reloading, log },
    dumping: (app) => dumping(app) !== undefined,
    isDumping: state.isDumping,
    whyNotScaled: extraInstances.whyNot,
    freshBeat: ({ process: { pid } }) => figures.history(pid).at(-1),
    stackOf: (target) => lookInto(fleet, attacher, target),
    run: (action, target, params) => runs.run({ action, target, params }, () => {}),
    reload: (app) => execute({ command: 'reload', params: { ...reloadParamsOf(app), by: 'command' } }),
  });
  const execute = createExecute({
    ...{ fleet, attacher, attachLoop, responsiveness, settings, reloads, events, refresh, bad, doors },
    ...{ exits, rules, runs, alerts },
    isDumping: state.isDumping,
    examined: {
      ...{ fleet, settings, refused, folder, agentFile, calls, responsiveness, doors, exits, alerts },
      daemonPid: process.ppid,
      newestFigures: figures.newest,
      refusedRules: rules.refused,
      settingsFile: join(pm2Home, 'module_conf.json'),
      pm2: pm2Version(pm2File),
      node: process.version,
    },
    replParts: {
      ...{ fleet, settings, calls },
      sources: () => ({
        source: readFileSync(beside('repl.cjs'), 'utf8'),
        worker: readFileSync(beside('repl-worker.cjs'), 'utf8'),
      }),
      folderOf: (pid) => ({ folder: state.folderFor(uidOf(pid)), uid: uidOf(pid) }),
    },
  });
  listTriggers(execute, fleet);
  answerCommands(execute, fleet);
  log(`version ${VERSION} watches ${fleet.members().length} processes (attach ${settings.attach})`);
  void reloads.recover();
  void recorder.recover();

  endInOrder({
    stopTimers() {
      clearInterval(renewal);
      figures.close();
      listing.stop();
      rules.close();
    },
    closeAlerts: alerts.close,
    endReloads: reloads.close,
    closeDoors: doors.close,
    endAttaching: attachLoop.close,
  });
}

/** The version of the PM2 that a file belongs to. */
function pm2Version(pm2File: string): string {
  return (createRequire(pm2File)('../package.json') as { version: string }).version;
}

/** A file of this build. */
function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

installLastResort();
main().catch((error: unknown) => {
  startAnew(`cannot start: ${describe(error)}`);
});
