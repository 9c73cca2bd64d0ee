// Delivers the alerts of one channel, one after the other. Where that fails it tries again after a pause that grows, and nothing
// else waits for it. The queue has bounds: what does not fit, or is too old to be of use, is given up and counted.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Alert, AlertChannelStatus, PastAlert } from '../../contract/alerts.ts';
import type { Attempt, Channel } from './channel.ts';

/** How many alerts wait at most, and their size. */
const MOST_WAITING = 200;
const MOST_BYTES = 512 * 1024;
/** An alert that is older is of no use. */
const LONGEST_MS = 48 * 3_600_000;

export interface DeliveryTimes {
  /** The first pause after a failure; each further one is twice as long, with some chance in it. */
  firstPauseMs: number;
  longestPauseMs: number;
}

export interface DeliveryParts {
  channel: Channel;
  times: DeliveryTimes;
  /** Alerts that were still to be delivered when the module last ran. */
  waiting: readonly Alert[];
  /** Hears of each alert that was delivered or given up, after it has left the queue. */
  onPast(past: PastAlert): void;
  log(line: string): void;
}

export interface Delivery {
  /** Puts an alert into the queue. It goes nowhere before `deliver`, so that it can be kept on disk first. */
  add(alert: Alert): void;
  /** Delivers what waits, unless that is going on. */
  deliver(): void;
  waiting(): readonly Alert[];
  status(): AlertChannelStatus;
  /** Sends one alert outside the queue. */
  sendNow(alert: Alert): Promise<Attempt>;
  /** Ends the try that runs. What waits stays in `waiting`. */
  close(): void;
}

export function createDelivery({ channel, times, waiting, onPast, log }: DeliveryParts): Delivery {
  const queue = [...waiting];
  /** How often the other side did not want an alert. */
  const rejections = new Map<string, number>();
  const closing = new AbortController();
  let failing: AlertChannelStatus['failing'];
  let lost = 0;
  let isRunning = false;

  return {
    add(alert) {
      queue.push(alert);
    },
    deliver: () => void run(),
    waiting: () => queue,
    status: () => ({
      ...{ channel: channel.name, to: channel.to, waiting: queue.length, lost },
      ...(failing ? { failing } : {}),
    }),
    sendNow: (alert) => attempt(alert),
    close: () => closing.abort(),
  };

  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    for (;;) {
      giveUpSome();
      const alert = next();
      if (!alert || closing.signal.aborted) break;
      const attempted = await attempt(alert);
      // The next run of the module tries again what this one has not finished.
      if (closing.signal.aborted) break;
      if (attempted.ok) succeeded(alert, attempted);
      else await sleep(failed(alert, attempted), undefined, { signal: closing.signal, ref: false }).catch(() => {});
    }
    isRunning = false;
  }

  /** The oldest of those that the other side has refused least often: one that it never takes must not hold up the others. */
  function next(): Alert | undefined {
    const refusals = (alert: Alert) => rejections.get(alert.id) ?? 0;
    return queue.reduce<Alert | undefined>(
      (best, alert) => (best === undefined || refusals(alert) < refusals(best) ? alert : best),
      undefined,
    );
  }

  async function attempt(alert: Alert): Promise<Attempt> {
    try {
      return await channel.deliver(alert, closing.signal);
    } catch (error) {
      return { ok: false, said: `${channel.to}: ${(error as Error).message}` };
    }
  }

  function succeeded(alert: Alert, attempted: Attempt): void {
    if (failing) log(`alerts: ${attempted.said}; delivers again after ${failing.tries} failed tries`);
    failing = undefined;
    leave(alert, attempted);
  }

  /** @returns how long to wait before the next try, in milliseconds */
  function failed(alert: Alert, { said, isRejected = false, retryAfterMs = 0 }: Attempt): number {
    if (!failing) log(`alerts: not delivered: ${said}; tries again`);
    const tries = (failing?.tries ?? 0) + 1;
    if (isRejected) rejections.set(alert.id, (rejections.get(alert.id) ?? 0) + 1);
    const doubled = Math.min(times.firstPauseMs * 2 ** (tries - 1), times.longestPauseMs);
    const pauseMs = Math.max(doubled * (0.75 + Math.random() / 2), retryAfterMs);
    failing = { tries, since: failing?.since ?? Date.now(), said, nextTryAt: Date.now() + pauseMs };
    return pauseMs;
  }

  function giveUpSome(): void {
    const giveUp = (alert: Alert, why: string) => {
      lost += 1;
      leave(alert, { ok: false, said: `given up: ${why}${failing ? `; ${failing.said}` : ''}` });
    };
    for (const alert of queue.filter(({ at }) => Date.now() - at > LONGEST_MS)) giveUp(alert, 'it is two days old');
    while (queue.length > MOST_WAITING || bytesOf(queue) > MOST_BYTES) {
      const [oldest] = queue;
      if (!oldest) break;
      giveUp(oldest, `${queue.length} alerts wait, which is too many`);
    }
  }

  function leave(alert: Alert, { ok, said }: Attempt): void {
    const at = queue.indexOf(alert);
    if (at >= 0) queue.splice(at, 1);
    rejections.delete(alert.id);
    const { id, state, severity, title } = alert;
    onPast({ ok, said, id, channel: channel.name, state, severity, title, at: Date.now() });
  }
}

function bytesOf(alerts: readonly Alert[]): number {
  return alerts.reduce((sum, alert) => sum + JSON.stringify(alert).length, 0);
}
