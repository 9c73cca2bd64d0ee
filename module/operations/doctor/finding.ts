// What doctor's checks look at, and what they find.

import { type App, appOf, titleOf } from '../../../contract/app.ts';
import type { FigureSample } from '../../../contract/figures.ts';
import type { Severity } from '../../../contract/finding.ts';
import type { Settings } from '../../../contract/settings.ts';
import type { Alerts } from '../../alerts/alerts.ts';
import type { Doors } from '../../door/doors.ts';
import type { Fleet, Member } from '../../fleet/fleet.ts';
import type { ExitStore } from '../../recorder/store.ts';

/** What to do about a finding. Tests follow it to the letter and see the finding gone. */
export interface Remedy {
  /** Lines for a shell. */
  type?: string[];
  /** A line for each app or process that the finding is about. */
  each?: Each;
  /** Settings to write into the ecosystem file. */
  ecosystem?: Record<string, unknown>;
  /** What no command does, or what to know before typing one. */
  say?: string;
}

export interface Each {
  /** The app or process as PM2's commands take it: several ids if they cannot take the app's name. */
  words: string[];
  /** @param word one of `words`, quoted for a shell */
  line(word: string): string;
}

/** A finding of one app or process. Doctor merges those of one check that differ only in `about`. */
export interface Found extends Remedy {
  severity: Severity;
  about?: string;
  what: string;
}

/** What all checks look at, gathered once. */
export interface Host {
  fleet: Fleet;
  members: Member[];
  doors: Pick<Doors, 'isPrepared' | 'whyNot'>;
  alerts: Pick<Alerts, 'troubles'>;
  settings: Settings;
  /** Lines about the settings that the module has refused. */
  refused: string[];
  /** Line and reason of each problem of a rules.json that was refused. */
  refusedRules(): string[];
  /** `$PM2_HOME/pm2-ops`. */
  folder: string;
  /** The file with which an app loads the agent itself; it stays when the module is upgraded or uninstalled. */
  agentFile: string;
  /** The file in which PM2 keeps the module's settings. */
  settingsFile: string;
  /** The versions of PM2 and of the Node that runs this module. */
  pm2: string;
  node: string;
  /** The pid of PM2's daemon. */
  daemonPid: number;
  /** The records of exits. */
  exits: Pick<ExitStore, 'read'>;
  /** The newest figures of a process. */
  newestFigures(pid: number): FigureSample | undefined;
  /** By pid: for how many milliseconds its event loop has not answered. */
  blocked: Map<number, number>;
  /** By pid: the status of each process whose agent answers. */
  statuses: Map<number, OpsStatus>;
}

/** The part of `ops-status` that the checks read. */
export interface OpsStatus {
  heapUsed: number;
  rss: number;
  /** Does it listen? */
  serves: boolean;
  /** The longest that one of its servers keeps an idle connection, in milliseconds; 0 without a server. */
  keepAliveTimeoutMs: number;
}

/** One thing to look for. It may throw: doctor then says that the check has failed. */
export interface Check {
  name: string;
  look(host: Host): Found[] | Promise<Found[]>;
}

/** The subject of a finding about one process. */
export function about({ process: listed }: Member): string {
  return `${titleOf(listed)} (id ${listed.pmId})`;
}

/** An app with all its instances. */
export interface AppInstances {
  app: App;
  /** For a person to read. */
  title: string;
  name: string;
  instances: [Member, ...Member[]];
}

/** Groups processes by their app. */
export function byApp(members: readonly Member[]): AppInstances[] {
  const apps = new Map<App, AppInstances>();
  for (const member of members) {
    const app = appOf(member.process);
    const known = apps.get(app);
    if (known) known.instances.push(member);
    else apps.set(app, { app, title: titleOf(member.process), name: member.process.name, instances: [member] });
  }
  return [...apps.values()];
}
