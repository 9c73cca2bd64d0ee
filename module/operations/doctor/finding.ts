// What `doctor` finds, and what it finds it with.

import { type App, appOf, titleOf } from '../../../contract/app.ts';
import type { Severity } from '../../../contract/finding.ts';
import type { Settings } from '../../../contract/settings.ts';
import type { Fleet, Member } from '../../fleet/fleet.ts';

/** What to do about it; tests follow it to the letter, and then it is gone. */
export interface Remedy {
  /** Lines for a shell. */
  type?: string[];
  /** A line for each app or process that it is about. */
  each?: Each;
  ecosystem?: Record<string, unknown>;
  /** What no command does, or what to know before. */
  say?: string;
}

export interface Each {
  /** As PM2's commands take it; several where they take the app by no name, but by its ids. */
  words: string[];
  /** @param word ready for a shell */
  line(word: string): string;
}

/** Findings of one check that differ in `about` alone are told as one. */
export interface Found extends Remedy {
  severity: Severity;
  about?: string;
  what: string;
}

/** What the checks look at, gathered once. */
export interface Host {
  fleet: Fleet;
  members: Member[];
  settings: Settings;
  /** Lines about settings that were refused. */
  refused: string[];
  /** `$PM2_HOME/pm2-ops`. */
  folder: string;
  /** The file by which an app loads the agent itself; it stays where it is when the module is upgraded or uninstalled. */
  agentFile: string;
  /** The file in which PM2 keeps the settings. */
  settingsFile: string;
  /** Versions of PM2 and of the Node that runs this module. */
  pm2: string;
  node: string;
  /** By pid: for how many milliseconds an event loop has not answered. */
  blocked: Map<number, number>;
  /** By pid: what the agent says, of those that answer. */
  statuses: Map<number, OpsStatus>;
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
  name: string;
  instances: [Member, ...Member[]];
}

/** Processes by their app. */
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
