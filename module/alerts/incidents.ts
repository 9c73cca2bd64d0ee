// Turns a stream of incidents and exits into what is told: once when an incident begins, again after a time while it lasts, and
// once when it is over. It knows neither clock nor disk: the caller passes the time, and keeps what `saved` returns.
import type { Incident, OpenIncident } from '../../contract/alerts.ts';
import type { OfApp } from '../../contract/app.ts';
import type { ExitRecord } from '../../contract/exits.ts';
import type { PmId } from '../../contract/pmId.ts';
import { incidentOfExit } from './exitIncident.ts';
import { safeIncident } from './safeText.ts';

/** The built-in rule that counts the same exits. */
const CRASH_LOOP = 'rule:crash-loop:';
const RANKS = { info: 0, warning: 1, critical: 2 } as const;
/** Open incidents and counted exits that are kept; the oldest are forgotten first. */
const MOST_OPEN = 500;
const MOST_COUNTED = 500;
/** Processes of an app that are watched for the end of an incident. */
const MOST_PROCESSES = 64;

/** All in milliseconds. */
export interface IncidentTimes {
  /** An exit is told after this time, so that the exits that follow at once are told with it. One that is critical is told at once. */
  waitMs: number;
  /** An incident of exits is over when the app has been up for that long without another. */
  quietMs: number;
  /** An incident of a rule that nobody has told of for that long counts as over. */
  staleMs: number;
  /** An incident that lasts is told again after this time. */
  repeatMs: number;
}

/** How the processes of an app stand whose exits are an incident. */
export type AppStanding = 'up' | 'down' | 'stopped' | 'gone';

/** An open incident as it is kept. */
export interface KeptIncident extends OpenIncident {
  lastAt: number;
  /** The severity with which it was last told. */
  toldAs?: Incident['severity'];
  /** What it takes to see that exits are over. */
  exits?: {
    pmIds: PmId[];
    lastRecord: string;
    /** Since when the app is up. */
    quietSince: number;
    /** PM2 itself has left it stopped, and nobody has asked for that. */
    leftStopped: boolean;
  };
}

export interface SavedIncidents {
  open: KeptIncident[];
  /** The ids of exits that were counted, with the key of their incident: a record comes once more when what followed is known. */
  counted: [id: string, key: string][];
}

/** What is to be told, with when it began and how often it was seen. */
export type Told = Incident & Pick<OpenIncident, 'since' | 'count'>;

export interface Incidents {
  /** Takes over what a rule has found. */
  found(incident: Incident): void;
  exited(record: ExitRecord): void;
  /** What is to be told now; each is returned once. */
  due(now: number, standingOf: (app: OfApp, pmIds: readonly PmId[]) => AppStanding): Told[];
  open(): readonly KeptIncident[];
  saved(): SavedIncidents;
}

/**
 * @param least incidents that are less severe are not told; undefined: none is told
 * @param before what `saved` returned when the module last ran
 */
export function createIncidents(
  times: IncidentTimes,
  least: Incident['severity'] | undefined,
  before: SavedIncidents = { open: [], counted: [] },
): Incidents {
  const open = new Map(before.open.map((incident) => [incident.key, incident]));
  const counted = new Map(before.counted);
  const over: Told[] = [];

  return {
    found(given) {
      const incident = safeIncident(given);
      const known = open.get(incident.key);
      if (incident.state === 'resolved') {
        if (known) end(known, incident.at, incident.details, incident.title);
        return;
      }
      if (!incident.key.startsWith(CRASH_LOOP) || !tellsExitsOf(incident.app)) count(incident);
    },
    exited(record) {
      const found = incidentOfExit(record);
      const incident = found && safeIncident(found);
      const before = counted.get(record.id);
      if (before !== undefined && before !== incident?.key) takeBack(record.id, before);
      if (!incident) return;
      const isNew = before !== incident.key;
      if (!isNew && !open.has(incident.key)) return;
      remember(record.id, incident.key);
      const kept = isNew ? count(incident) : update(incident);
      const pmIds = [...new Set([record.pmId, ...(kept.exits?.pmIds ?? [])])].slice(0, MOST_PROCESSES);
      kept.exits = {
        pmIds,
        lastRecord: record.id,
        quietSince: Math.max(record.at, kept.exits?.quietSince ?? 0),
        leftStopped: record.followed?.is === 'stop-exit-code' || record.followed?.is === 'no-autorestart',
      };
    },
    due(now, standingOf) {
      for (const incident of open.values()) {
        // What was never told is told first, also if it is over: else nobody hears of one that the module was killed with.
        if (incident.toldAt !== undefined || !isDue(incident, now)) lookForEnd(incident, now, standingOf);
      }
      const begun = [...open.values()].filter((incident) => isDue(incident, now));
      for (const incident of begun) {
        incident.toldAt = now;
        incident.toldAs = incident.severity;
      }
      return [...over.splice(0), ...begun.map(toldOf)];
    },
    open: () => [...open.values()],
    saved: () => ({ open: [...open.values()], counted: [...counted] }),
  };

  /** Counts an incident, which may be open already. */
  function count(incident: Incident): KeptIncident {
    if (open.has(incident.key)) {
      const kept = update(incident);
      kept.count += 1;
      return kept;
    }
    const kept: KeptIncident = { ...incident, since: incident.at, count: 1, lastAt: incident.at };
    open.set(kept.key, kept);
    forgetOldest(open, MOST_OPEN);
    return kept;
  }

  /** Is an incident of that app's exits open, and told? */
  function tellsExitsOf(app: OfApp | undefined): boolean {
    return [...open.values()].some(
      (each) =>
        each.exits && isTold(each.severity) && each.app?.name === app?.name && each.app?.namespace === app?.namespace,
    );
  }

  function isTold(severity: Incident['severity']): boolean {
    return least !== undefined && RANKS[severity] >= RANKS[least];
  }

  /** Takes over the newest texts of an open incident, which never becomes less severe. */
  function update(incident: Incident): KeptIncident {
    const known = open.get(incident.key) as KeptIncident;
    const severity = RANKS[incident.severity] > RANKS[known.severity] ? incident.severity : known.severity;
    return Object.assign(known, incident, { severity, lastAt: Math.max(known.lastAt, incident.at) });
  }

  /** The exit turned out to be of another cause, or nothing to tell. */
  function takeBack(id: string, key: string): void {
    counted.delete(id);
    const known = open.get(key);
    if (!known) return;
    known.count -= 1;
    if (known.count === 0 && known.toldAt === undefined) open.delete(key);
  }

  function remember(id: string, key: string): void {
    counted.set(id, key);
    forgetOldest(counted, MOST_COUNTED);
  }

  function lookForEnd(incident: KeptIncident, now: number, standingOf: Parameters<Incidents['due']>[1]): void {
    const { exits, app } = incident;
    if (!exits || !app) {
      if (now - incident.lastAt >= times.staleMs) end(incident, now, ['nobody has told of it for a day']);
      return;
    }
    const standing = standingOf(app, exits.pmIds);
    if (standing === 'down' || (standing === 'stopped' && exits.leftStopped)) exits.quietSince = now;
    else if (now - exits.quietSince >= times.quietMs) end(incident, now, [ENDS[standing]]);
  }

  function end(incident: KeptIncident, at: number, details: string[], title = incident.title): void {
    open.delete(incident.key);
    if (incident.toldAt !== undefined)
      over.push({ ...toldOf(incident), state: 'resolved', title, details: [...details, seen(incident)], at });
  }

  function isDue({ severity, toldAt, toldAs, since, exits }: KeptIncident, now: number): boolean {
    if (!isTold(severity)) return false;
    if (toldAt === undefined) return !exits || severity === 'critical' || now - since >= times.waitMs;
    return now - toldAt >= times.repeatMs || (toldAs !== undefined && RANKS[severity] > RANKS[toldAs]);
  }
}

const ENDS: Record<Exclude<AppStanding, 'down'>, string> = {
  up: 'the app is up, without another',
  stopped: 'somebody has stopped the app',
  gone: "the app is gone from PM2's list",
};

function seen({ count, since, lastAt }: KeptIncident): string {
  return count === 1 ? 'it was seen once' : `it was seen ${count} times in ${Math.round((lastAt - since) / 1000)} s`;
}

function toldOf({ lastAt, toldAt, toldAs, exits, ...told }: KeptIncident): Told {
  return told;
}

function forgetOldest<K>(map: Map<K, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
