// The module's settings: `pm2 set pm2-ops:KEY VALUE`.
import type { Incident } from './alerts.ts';

/** The settings in force. */
export interface Settings {
  attach: 'live' | 'off';
  /** Names of apps, or globs. */
  include: string[];
  exclude: string[];
  graceful: 'auto' | 'off';
  /** Hold the listening sockets of prepared processes while they restart? */
  door: 'auto' | 'off';
  /** How long to hold a socket that no process has. */
  door_seconds: number;
  port: number;
  host: string;
  /** How many of an app's newest heap dumps to keep, and their total size. */
  dump_keep: number;
  dump_max_bytes: number;
  /** The size of all recorded exits together. */
  record_max_bytes: number;
  http_dumps: 'on' | 'off';
  repl: 'on' | 'off';
  /** Where alerts go, as `https://HOST/…`: the rest of the URL may be a secret, and `readSettings` returns it apart. Empty: nowhere. */
  alert_url: string;
  alert_format: 'json' | 'slack';
  /** The program that alerts are given to. Empty: none. */
  alert_exec: string;
  /** Less severe incidents are not told. */
  alert_severity: Incident['severity'];
  /** How long an incident lasts before it is told again. */
  alert_repeat_minutes: number;
}
