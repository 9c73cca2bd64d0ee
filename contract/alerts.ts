// What an alert tells a webhook or a program.
import type { PmId } from './pmId.ts';

/** Something is wrong with an app or the host, and what is over of it. */
export interface Incident {
  /** The same for all that belongs to one incident: `exit:default:web:uncaught-exception`, `rule:blocked:default:web`. */
  key: string;
  /** Is it over? */
  state: 'firing' | 'resolved';
  severity: 'critical' | 'warning' | 'info';
  /** One line for a person, without secrets. */
  title: string;
  /** More lines for a person, without secrets. */
  details: string[];
  app?: { namespace: string; name: string };
  process?: { pmId: PmId; pid: number };
  /** The line to type next. */
  next?: string;
  /** In milliseconds of Date.now(). */
  at: number;
}

/** What is sent: one for an incident, again after a time while it lasts, and one when it is over. */
export interface Alert extends Incident {
  /** Unique; the same in each try to deliver it. */
  id: string;
  host: string;
  version: string;
  /** When the incident began, and how often it was seen since then. */
  since: number;
  count: number;
}

/** How alerts leave the host: setting `alert_url`, setting `alert_exec`. */
export type AlertChannel = 'webhook' | 'program';

/** What came back of one try to deliver an alert, without secrets. */
export interface AlertOutcome {
  ok: boolean;
  /** In words: `hooks.example.org answered 200`. */
  said: string;
}

/** How a channel does. */
export interface AlertChannelStatus {
  channel: AlertChannel;
  /** The host of the URL, and nothing else of it; the path of the program. */
  to: string;
  /** How many alerts are still to be delivered. */
  waiting: number;
  /** The last try has failed: how many in a row, since when, and what came back. */
  failing?: { tries: number; since: number; said: string; nextTryAt: number };
  /** How many alerts were never delivered, because they were too many, too old, or refused for what they say. */
  lost: number;
}

/** An incident that is not over. */
export interface OpenIncident extends Incident {
  since: number;
  count: number;
  /** When it was last told; absent if it was not told yet, or is less severe than `alert_severity`. */
  toldAt?: number;
}

/** An alert that was delivered or given up. */
export interface PastAlert extends AlertOutcome {
  id: string;
  channel: AlertChannel;
  state: Incident['state'];
  severity: Incident['severity'];
  title: string;
  /** When that was, in milliseconds of Date.now(). */
  at: number;
}

/** The question of `alerts`. */
export interface AlertsRequest {
  /** Send one alert now, to each channel, and say what came back. */
  test: boolean;
}

export interface AlertsReply {
  ok: true;
  action: 'alerts';
  channels: AlertChannelStatus[];
  /** The newest first. */
  open: OpenIncident[];
  /** Still to be delivered, the oldest first. */
  waiting: { channel: AlertChannel; alert: Alert }[];
  /** The newest first. */
  past: PastAlert[];
}

export interface AlertsTestReply {
  /** Has every channel taken it? */
  ok: boolean;
  action: 'alerts';
  tested: ({ channel: AlertChannel; to: string; ms: number } & AlertOutcome)[];
}

/** Progress of a test. */
export interface AlertsProgress {
  action: 'alerts';
  message: string;
  ms: number;
  deadlineMs: number;
}
