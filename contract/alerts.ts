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
