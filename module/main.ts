// The PM2 module: one long-lived process per daemon. Wires the rooms together, nothing else.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AGENT_MESSAGE, LEASE_MS, type Verdict } from '../contract/agentMessages.ts';
import { VERSION } from '../contract/version.ts';
import { printable } from '../shared/text/printable.ts';
import { redact } from '../shared/text/redact.ts';
import { createAgentCalls } from './agents/agentCalls.ts';
import { createKeeper } from './agents/attachLoop.ts';
import { createBadMessages } from './agents/badMessages.ts';
import { createAgentEars } from './agents/hearAgents.ts';
import { createModuleActions } from './api/moduleActions.ts';
import { createAttacher } from './attach/index.ts';
import { createFleet } from './fleet/fleet.ts';
import { createResponsiveness } from './fleet/responsiveness.ts';
import { describe, installLastResort, startAnew } from './lastResort.ts';
import { createActionRuns } from './operations/actionRuns.ts';
import { createCompressor } from './operations/compressor.ts';
import { createCoordinator } from './operations/coordinator.ts';
import { askDoctor } from './operations/doctor/gather.ts';
import { createStandIns } from './operations/extraInstance.ts';
import { createLastServing } from './operations/lastServing.ts';
import { createReloadJournal } from './operations/reload/reloadJournal.ts';
import { createRollingReload } from './operations/reload/rollingReload.ts';
import { openRepl } from './operations/repl.ts';
import { becomeActive } from './pm2/active.ts';
import { connectDaemon, type PmId } from './pm2/daemon.ts';
import { loadPm2 } from './pm2/pm2Client.ts';
import { readSettings } from './pm2/settings.ts';
import { keepAgentFile } from './state/agentFile.ts';
import { MODULE_FILE, openState, uidOf } from './state/state.ts';

/** Pause between two looks at PM2's list when nothing was heard, in milliseconds: the bus may have missed something. */
const LIST_EVERY_MS = 30_000;
/** Pause after an event before PM2's list is read, in milliseconds: a restart is several events. */
const SETTLE_MS = 30;
/** The same after an agent said hello: its actions come after that word. */
const HELLO_SETTLE_MS = 300;
/** How long a reload that runs may take to put things back when the module goes, in milliseconds of its kill_timeout. */
const LEAVES_WITHIN_MS = 3_000;

const log = (line: string) => console.log(`pm2-ops: ${printable(redact(line))}`);

async function main(): Promise<void> {
  const pm2Home = process.env.PM2_HOME ?? join(process.env.HOME ?? '/root', '.pm2');
  const leaseMs = Number(process.env.PM2_OPS_LEASE_MS) || LEASE_MS;
  const { settings, refused } = readSettings(pm2Home);
  for (const line of refused) log(line);

  const state = openState(pm2Home);
  const pm2File = process.argv[1] ?? '';
  const daemon = await connectDaemon(loadPm2(pm2File), (error) => {
    log(`failed at something on PM2's bus, and goes on: ${describe(error)}`);
  });
  await becomeActive(daemon, ({ pmId }) => log(`stands by: pm2-ops with id ${pmId} acts for this daemon`));
  const fleet = createFleet(({ isModule, pid }) => !isModule && pid !== process.pid);
  daemon.onReady(fleet.saidReady);
  const attacher = createAttacher({ stateDir: state.folder, guardScript: beside('guard.cjs'), log });
  const source = readFileSync(beside('agent.cjs'), 'utf8');
  const keeper = createKeeper({ daemon, fleet, attacher, settings, state, source, leaseMs, refresh, log });
  /** The reading of PM2's list that runs, and the one that begins after it. */
  let current: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const answer = (pmId: PmId, id: string, verdict: Verdict) => {
    daemon.send(pmId, { kind: 'verdict', id, verdict }).catch(() => {});
  };
  const compressor = createCompressor(state.folder, (pid) => uidOf(pid) === process.geteuid?.(), answer);
  const calls = createAgentCalls(daemon.send);
  const standIns = createStandIns({ fleet, daemon, calls, refresh, askState: keeper.askState, log });
  const coordinator = createCoordinator({
    fleet,
    standIns,
    answer,
    askState: keeper.askState,
    reloading: (app) => reloads.runs(app),
  });

  const responsiveness = createResponsiveness(fleet, keeper.answers);
  const journal = createReloadJournal(state.folder);
  const reloads = createRollingReload({
    fleet,
    daemon,
    calls,
    journal,
    refresh,
    askState: keeper.askState,
    dumping: coordinator.dumping,
    log,
  });
  const lastServing = createLastServing({
    fleet,
    calls,
    askState: keeper.askState,
    reloading: reloads.runs,
    dumping: coordinator.dumping,
    log,
  });
  const runs = createActionRuns({ fleet, calls, folder: state.folder, refresh, sweep: state.sweep });

  const bad = createBadMessages(fleet, log);
  daemon.onBusEvent(
    AGENT_MESSAGE,
    createAgentEars({
      fleet,
      keeper,
      coordinator,
      compressor,
      calls,
      bad,
      send: daemon.send,
      onHello: () => settleSoon(HELLO_SETTLE_MS),
      onState: lastServing.look,
    }),
  );
  daemon.onProcessEvent((event, pmId, restarts) => {
    if (event === 'online') keeper.succeeded(pmId, restarts);
    settleSoon(SETTLE_MS);
  });

  writeFileSync(join(state.folder, MODULE_FILE), JSON.stringify({ pid: process.pid, version: VERSION, pm2File }), {
    mode: 0o600,
  });
  const agentFile = keepAgentFile(state.folder, beside('agent-preload.cjs'));
  await attacher.recover();
  state.sweep();
  const renewal = setInterval(() => state.renewLease(), leaseMs / 6);
  const listing = setInterval(() => void refresh(), LIST_EVERY_MS);
  await refresh();
  const repl = {
    fleet,
    settings,
    calls,
    sources: () => ({
      source: readFileSync(beside('repl.cjs'), 'utf8'),
      worker: readFileSync(beside('repl-worker.cjs'), 'utf8'),
    }),
    folderOf: (pid: number) => ({ folder: state.folderFor(uidOf(pid)), uid: uidOf(pid) }),
  };
  createModuleActions({
    doctor: async () => {
      await refresh();
      return askDoctor({
        fleet,
        settings,
        refused,
        folder: state.folder,
        agentFile,
        settingsFile: join(pm2Home, 'module_conf.json'),
        pm2: pm2Version(pm2File),
        node: process.version,
        calls,
        responsiveness,
      });
    },
    repl: async (question) => {
      await refresh();
      return openRepl(repl, question);
    },
    fleet,
    attacher,
    responsiveness,
    keeper,
    settings,
    daemon,
    reloads,
    runs,
    isDumping: state.isDumping,
    refresh,
    bad,
  });
  log(`version ${VERSION} watches ${fleet.members().length} processes (attach ${settings.attach})`);
  void reloads.recover();

  let settling: NodeJS.Timeout | undefined;
  function settleSoon(ms: number): void {
    settling ??= setTimeout(() => {
      settling = undefined;
      void refresh();
    }, ms);
  }

  /** Reads PM2's list and acts on what changed: one at a time, since the daemon measures every process for it. */
  function refresh(): Promise<void> {
    next ??= (current ?? Promise.resolve()).then(() => {
      current = next;
      next = undefined;
      return readList();
    });
    return next;
  }

  async function readList(): Promise<void> {
    try {
      const { added, removed } = fleet.sync(await daemon.list());
      for (const { process } of removed) {
        coordinator.gone(process.pid);
        compressor.cancel(({ pid }) => pid === process.pid);
      }
      if (removed.length > 0) state.sweep();
      keeper.replaced(removed);
      keeper.yieldTaken(fleet.members());
      keeper.look(added);
      standIns.sweep();
      lastServing.look();
    } catch (error) {
      log(`PM2's list could not be read: ${(error as Error).message}`);
    }
  }

  async function leave(): Promise<void> {
    clearInterval(renewal);
    clearInterval(listing);
    clearTimeout(settling);
    await Promise.race([reloads.close(), sleep(LEAVES_WITHIN_MS)]);
    await keeper.close();
    process.exit(0);
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave());
  // The daemon is gone: whoever starts it again starts us again.
  process.once('disconnect', () => void leave());
  process.on('message', (message) => {
    if (message === 'shutdown') void leave();
  });
}

/** Version of the PM2 that a file belongs to. */
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
