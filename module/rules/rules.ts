// The rules of the module: hears what happens, takes evidence within limits, and tells how the rules stand.
import { statfsSync } from 'node:fs';
import { titleOf } from '../../contract/app.ts';
import type { FigureSample } from '../../contract/figures.ts';
import type { Evidence, RulesReply } from '../../contract/rules.ts';
import type { Settings } from '../../contract/settings.ts';
import type { Events } from '../events/events.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { isExcluded, matches } from '../pm2/settings.ts';
import { createAlerting } from './alerting.ts';
import { createEngine } from './engine.ts';
import { createEvidenceTaker, type EvidenceParts } from './evidence.ts';
import { createLedger } from './ledger.ts';
import { createPerform, type PerformParts } from './perform.ts';
import { statusOf } from './ruleStatus.ts';
import type { Firing } from './standings.ts';
import { type Beat, createStandstill } from './standstill.ts';
import { watchRules } from './watch.ts';

/** How often the module looks who is blocked, and whether the file has changed. */
const TICK_MS = 1_000;
/** Between two looks at the disk. */
const DISK_EVERY_MS = 15_000;

export interface RulesParts extends Omit<PerformParts, 'heapUsedBytes'>, Pick<EvidenceParts, 'reloading' | 'dumping'> {
  fleet: Fleet;
  events: Events;
  settings: Pick<Settings, 'include' | 'exclude'>;
  isDumping(pid: number): boolean;
  /** The last sign of life of a process, read anew. */
  freshBeat(member: Member): Beat | undefined;
  log(line: string): void;
}

export interface Rules {
  status(): RulesReply;
  /** Line and reason of each problem of a file that was refused. */
  refused(): string[];
  close(): void;
}

/** Puts the rules in force, from now on. */
export function openRules(parts: RulesParts): Rules {
  const { fleet, events, settings, folder, log } = parts;
  const watch = watchRules(folder, log);
  const ledger = createLedger(folder, log);
  /** By pid: the last figures. */
  const beats = new Map<number, Beat>();
  let disk: { at: number; left: number | undefined } | undefined;

  const engine = createEngine({
    ...{ fleet, isLeftAlone, diskLeft, begins },
    rules: () => watch.rules().rules,
    standstill: createStandstill(),
    isDumping: parts.isDumping,
    beatOf,
    isOver: (firing) => {
      log(`rule ${firing.rule.name}: ${firing.subject.title}: over: ${firing.what}`);
      alerting.isOver(firing, Date.now());
    },
  });
  const alerting = createAlerting({
    ...{ events, kept: ledger.alerts, startedAt: Date.now() },
    rules: () => watch.rules().rules,
    firing: engine.firing,
  });
  const taker = createEvidenceTaker({
    ...{ fleet, events },
    reloading: parts.reloading,
    dumping: parts.dumping,
    host: () => watch.rules().host,
    hostTimes: ledger.hostTimes,
    perform: createPerform({ ...parts, heapUsedBytes: engine.heapUsedBytes }),
    taken,
    now: Date.now,
    later: (ms, call) => void setTimeout(call, ms).unref(),
  });

  const subscriptions = [
    events.on('figures', ({ process: { pmId, pid }, sample }) => heard(pmId, pid, sample)),
    events.on('blocked', ({ process: { pid }, blockedMs }) => engine.blocked(pid, blockedMs, Date.now())),
    events.on('exit-recorded', ({ record }) => engine.exited(record)),
    events.on('exited', ({ process: { pid } }) => void beats.delete(pid)),
  ];
  watch.look();
  const timer = setInterval(() => {
    watch.look();
    engine.tick(Date.now());
    alerting.look(Date.now());
  }, TICK_MS);

  return {
    status: () => ({
      ok: true,
      action: 'rules',
      file: watch.file,
      fileIs: watch.fileIs(),
      problems: watch.problems(),
      host: watch.rules().host,
      rules: watch.rules().rules.map((rule) => statusOf(rule, engine.firing(), ledger, Date.now())),
      evidence: ledger.evidence().toReversed(),
    }),
    refused: watch.problems,
    close() {
      clearInterval(timer);
      for (const end of subscriptions) end();
    },
  };

  /** The figures that were heard last may not be the last that there are, so the module looks again where they are late. */
  function beatOf(member: Member): Beat | undefined {
    const known = beats.get(member.process.pid);
    if (known && Date.now() <= known.at + known.nextWithinMs) return known;
    return parts.freshBeat(member) ?? known;
  }

  function heard(pmId: Member['process']['pmId'], pid: number, sample: FigureSample): void {
    beats.set(pid, { at: sample.at, nextWithinMs: sample.nextWithinMs });
    engine.figures(pmId, sample);
  }

  function begins(firing: Firing): void {
    const { rule, subject, what } = firing;
    const { member } = subject;
    const now = Date.now();
    ledger.fired(rule.name, now);
    alerting.begins(firing, now);
    const actions = rule.do.filter(({ action }) => action !== 'alert');
    const until = actions.length > 0 && member ? ledger.takes(rule, titleOf(member.process), now) : undefined;
    const limited = until === undefined ? '' : `; no evidence until ${new Date(until).toISOString()}, by its limit`;
    log(`rule ${rule.name}: ${subject.title}: ${what}${limited}`);
    if (!member || until !== undefined) return;
    for (const action of actions) taker.take(rule, action, member, () => engine.fires(rule, member));
  }

  function taken(evidence: Evidence): void {
    ledger.keep(evidence);
    const { rule, action, app, pmId, ok, what, file, code } = evidence;
    const outcome = ok ? `${what}${file ? `: ${file}` : ''}` : `nothing taken (${code}): ${what}`;
    log(`rule ${rule}: ${action} of ${app}:${pmId}: ${outcome}`);
  }

  function isLeftAlone(app: { namespace: string; name: string }): boolean {
    const called = [app.name, titleOf(app)];
    const names = fleet.members().flatMap(({ process: listed }) => [listed.name, titleOf(listed)]);
    return (
      !called.some((name) => matches(name, settings.include)) ||
      called.some((name) => isExcluded(name, settings.exclude, names))
    );
  }

  function diskLeft(): number | undefined {
    const now = Date.now();
    if (disk && now - disk.at < DISK_EVERY_MS) return disk.left;
    disk = { at: now, left: undefined };
    try {
      const { bavail, bsize } = statfsSync(folder);
      disk.left = bavail * bsize;
    } catch {
      // A file system that does not tell.
    }
    return disk.left;
  }
}
