// The replies that `pm2 trigger` prints.

import type { DeadlineError } from './run.ts';

export interface TriggerReply<T = Record<string, unknown>> {
  name: string;
  pmId: number;
  value: T;
}

/** The replies that `pm2 trigger` printed: `[name:pm_id:namespace]=JSON` lines. */
export function parseReplies<T = Record<string, unknown>>(stdout: string): TriggerReply<T>[] {
  return stdout.split('\n').flatMap((line) => {
    const match = line.match(/^\[(.+):(\d+):[^\]]*\]=(.*)$/);
    if (!match) return [];
    return [{ name: match[1]!, pmId: Number(match[2]), value: JSON.parse(match[3]!) as T }];
  });
}

/** PM2 counts replies only once it knows how many to expect: one that is faster than that is printed, but `pm2 trigger`
 * waits for ever. */
export function missedReply({ result }: DeadlineError): string {
  const acknowledged = result.stdout.search(/^\d+ processes have received/m);
  const replied = result.stdout.search(/^\[.+:\d+:[^\]]*\]=/m);
  return replied >= 0 && replied < acknowledged ? "\nthe reply came before PM2's own acknowledgement" : '';
}
