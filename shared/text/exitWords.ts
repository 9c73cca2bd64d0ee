// An exit in words: who ended it, with what, and what followed.
import type { EndedBy, ExitRecord, Followed } from '../../contract/exits.ts';
import { duration } from './duration.ts';

/** `the process itself`, `pm2-ops (reload)`, … */
export function byWhom(by: EndedBy): string {
  switch (by.who) {
    case 'itself':
      return 'the process itself';
    case 'pm2':
      return "PM2, by the app's configuration";
    case 'pm2-ops':
      return `pm2-ops (${by.what})`;
    case 'somebody':
      return "somebody, with PM2's command line or API";
    case 'outside':
      return 'somebody or something outside PM2';
    default:
      return 'unknown';
  }
}

/** `code 1`, `SIGKILL`, or `-` where nothing tells. */
export function codeOrSignal({ code, signal }: Pick<ExitRecord, 'code' | 'signal'>): string {
  return signal ?? (code === null ? '-' : `code ${code}`);
}

/** What PM2 did next. */
export function whatFollowed(followed: Followed | undefined): string {
  if (!followed) return '-';
  switch (followed.is) {
    case 'started':
      return `pid ${followed.pid} after ${duration(followed.afterMs)}`;
    case 'backoff':
      return `PM2 waits ${duration(followed.delayMs)}`;
    case 'gave-up':
      return `PM2 gave up after ${followed.restarts} restarts`;
    case 'stop-exit-code':
      return `left stopped: code ${followed.code} is in stop_exit_codes`;
    case 'no-autorestart':
      return 'left stopped: autorestart is off';
    default:
      return followed.is;
  }
}
