// What `doctor` finds, and what it finds it with.
import { type App, appOf, titleOf } from '../app.ts';
import type { Settings } from '../daemon/settings.ts';
import type { Fleet, Member } from '../fleet.ts';

/** `error`: something does not work, or harms. `warning`: it will, sooner or later. `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info';

export interface Finding {
  severity: Severity;
  /** Name of the check, for scripts. */
  check: string;
  /** What it is about, `web (id 3)`; nothing when it is the host or the module. */
  about?: string;
  what: string;
  /** The line to type, or what to change. */
  fix: string;
}

export type Found = Omit<Finding, 'check'>;

/** What the checks look at, gathered once. */
export interface Host {
  fleet: Fleet;
  members: Member[];
  settings: Settings;
  /** Lines about settings that were refused. */
  refused: string[];
  /** `$PM2_HOME/pm2-ops`. */
  folder: string;
  /** Versions of PM2 and of the Node that runs this module. */
  pm2: string;
  node: string;
  /** By pid: for how many milliseconds an event loop has not answered. */
  blocked: Map<number, number>;
  /** By pid: what the agent says, of those that answer. */
  statuses: Map<number, OpsStatus>;
  /** When an instance last said `ready`, in milliseconds of performance.now(); known since the module runs. */
  readyAt(pmId: Member['process']['pmId']): number | undefined;
}

/** The part of `ops-status` that is looked at. */
export interface OpsStatus {
  heapUsed: number;
  rss: number;
  /** Does it listen? */
  serves: boolean;
  /** The longest that one of its servers keeps an idle connection, in milliseconds; 0 without a server. */
  keepAliveTimeoutMs: number;
}

/** One thing to look for. Throws nothing that matters: a check that fails is said to have failed. */
export interface Check {
  name: string;
  look(host: Host): Found[] | Promise<Found[]>;
}

/** For a finding about one process. */
export function about({ process }: Member): string {
  return `${titleOf(process)} (id ${process.pmId})`;
}

/** An app with all its instances. */
export interface AppInstances {
  app: App;
  /** For a person to read. */
  title: string;
  /** As PM2's own commands want it. */
  name: string;
  instances: Member[];
}

/** Processes by their app. */
export function byApp(members: readonly Member[]): AppInstances[] {
  const apps = new Map<App, AppInstances>();
  for (const member of members) {
    const app = appOf(member.process);
    const known = apps.get(app) ?? { app, title: titleOf(member.process), name: member.process.name, instances: [] };
    known.instances.push(member);
    apps.set(app, known);
  }
  return [...apps.values()];
}
