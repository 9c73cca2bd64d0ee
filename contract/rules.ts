// Rules: when something happens, evidence is taken while it is there. The form of a rule in force, and what `rules` tells of it.
import type { Cause } from './exits.ts';
import type { PmId } from './pmId.ts';

/** In the state folder: the rules that a person has written. */
export const RULES_FILE = 'rules.json';

/** Conditions that a figure of a process is compared with. */
export const FIGURE_CONDITIONS = ['delay-p99', 'utilization', 'heap', 'errors', 'growth'] as const;
export type FigureCondition = (typeof FIGURE_CONDITIONS)[number];

/** It begins above `above` for `forMs` on end, and is over below `below`. */
export interface Threshold {
  above: number;
  below: number;
  forMs: number;
}

export type Condition =
  /** The event loop has not turned for that time. */
  | { is: 'blocked'; forMs: number }
  /**
   * `delay-p99` in milliseconds; `utilization` 0 to 1; `heap` as a share of its limit, 0 to 1; `errors` a minute: responses of 500
   * and above, exceptions and rejections that nothing handled; `growth` in bytes an hour.
   */
  | ({ is: FigureCondition } & Threshold)
  /** So many exits by one of these causes within that time. */
  | { is: 'exit'; causes: Cause[]; times: number; inMs: number }
  /** So many exits that nobody asked for within that time. */
  | { is: 'restarts'; times: number; inMs: number }
  /** The disk for dumps has less than `below` bytes left; it is over when it has more than `above`. */
  | { is: 'disk'; below: number; above: number; forMs: number };

/** What a rule does. All but `alert` are taken of one process, and only while it is there. */
export type RuleAction =
  | { action: 'stack' }
  | { action: 'cpu-profile'; seconds: number }
  | { action: 'heap-profile'; seconds: number }
  /** Not of a process whose heap is larger than that: each full collection would stop it for too long. */
  | { action: 'leak-report'; seconds: number; largestHeapBytes: number }
  /** Only where siblings serve meanwhile, unless `inPlace`. `scale` adds one for that time. */
  | { action: 'heapdump'; gzip: boolean; scale: boolean; inPlace: boolean }
  | { action: 'report' }
  | { action: 'reload' }
  | { action: 'alert' };

export type RuleActionName = RuleAction['action'];

export interface Limit {
  times: number;
  inMs: number;
}

export interface Rule {
  name: string;
  builtIn: boolean;
  on: boolean;
  /** Names of apps, or globs. */
  apps: string[];
  when: Condition;
  do: RuleAction[];
  /** How often it may take evidence of one app. */
  limit: Limit;
  severity: 'critical' | 'warning' | 'info';
}

/** What all rules together may do on this host. */
export interface HostLimit extends Limit {
  /** So many stacks at the same time, and so many other actions. */
  atOnce: number;
}

export interface RuleSet {
  rules: Rule[];
  host: HostLimit;
}

/** What one action of a rule has brought, or why it brought nothing. */
export interface Evidence {
  rule: string;
  action: RuleActionName;
  /** In milliseconds of Date.now(). */
  at: number;
  /** The app as a person types it. */
  app: string;
  pmId: PmId;
  pid: number;
  ok: boolean;
  /** What was found or done, or why not, in one line. */
  what: string;
  file?: string;
  code?: string;
}

/** A rule and how it stands. */
export interface RuleStatus {
  name: string;
  builtIn: boolean;
  on: boolean;
  severity: Rule['severity'];
  apps: string[];
  /** In words. */
  when: string;
  do: string[];
  limit: string;
  state: 'armed' | 'firing' | 'limited' | 'off';
  /** Where it fires now: a process or an app as a person types it, or `host`; and since when, by Date.now(). */
  firing: { subject: string; since: number }[];
  /** How often it has fired, and when last, also before the module restarted. */
  fired: number;
  lastFired?: number;
  /** Apps of which it takes no evidence until then. */
  limited: { app: string; until: number }[];
}

export interface RulesReply {
  ok: true;
  action: 'rules';
  file: string;
  /** The file that a person has written: absent, in force, or refused. */
  fileIs: 'absent' | 'in-force' | 'refused';
  /** With `refused`: line and reason of each problem. */
  problems: string[];
  host: HostLimit;
  rules: RuleStatus[];
  /** Newest first. */
  evidence: Evidence[];
}
