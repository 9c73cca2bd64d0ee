// Tells a webhook and a program when something is wrong, and when it is over. It listens to the module's events, and nothing of the
// module waits for it.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Alert, AlertsReply, AlertsTestReply } from '../../contract/alerts.ts';
import { appOf, type OfApp } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Settings } from '../../contract/settings.ts';
import { VERSION } from '../../contract/version.ts';
import type { Events } from '../events/events.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Channel } from './channel.ts';
import { createDelivery, type Delivery } from './delivery.ts';
import { type AppStanding, createIncidents, type Told } from './incidents.ts';
import { openOutbox } from './outbox.ts';
import { createProgram } from './program.ts';
import { createWebhook } from './webhook.ts';

const MINUTE_MS = 60_000;
/** While an incident is open, it is looked at this often. */
const LOOK_EVERY_MS = 1_000;
const WAIT_MS = 5_000;
const QUIET_MS = 5 * MINUTE_MS;
const STALE_MS = 24 * 60 * MINUTE_MS;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5 * MINUTE_MS;
/** How many of the alerts that were delivered or given up are kept, to be shown. */
const PAST_KEPT = 20;
/** A channel that fails for that long is in trouble. */
const TROUBLE_MS = 10 * MINUTE_MS;

export interface AlertsParts {
  settings: Settings;
  /** The whole of the setting `alert_url`. */
  alertUrl?: URL | undefined;
  /** `$PM2_HOME/pm2-ops`. */
  folder: string;
  events: Events;
  fleet: Pick<Fleet, 'instancesOf'>;
  log(line: string): void;
  /** By how much the times are shorter, for tests. */
  speed?: number;
}

/** What is wrong with a channel, for `doctor`. */
export interface AlertTrouble {
  severity: 'error' | 'warning';
  what: string;
}

export interface Alerts {
  /** Begins to tell and to deliver: the fleet knows PM2's list from now on. */
  start(): void;
  report(): AlertsReply;
  /** How long a test may take, in milliseconds; 0 if there is no channel. */
  testWithinMs: number;
  /** Sends one alert through each channel, past the queue. Never rejects. */
  test(): Promise<AlertsTestReply>;
  troubles(): AlertTrouble[];
  /** Ends the tries that run. What was not delivered is on the disk. */
  close(): void;
}

export function openAlerts({ settings, alertUrl, folder, events, fleet, log, speed = 1 }: AlertsParts): Alerts {
  const outbox = openOutbox(folder, log);
  const before = outbox.read();
  const past = [...before.past];
  const channels: Channel[] = [
    ...(alertUrl ? [createWebhook({ url: alertUrl, format: settings.alert_format })] : []),
    ...(settings.alert_exec === '' ? [] : [createProgram(settings.alert_exec)]),
  ];
  const incidents = createIncidents(
    {
      ...{ waitMs: WAIT_MS / speed, quietMs: QUIET_MS / speed, staleMs: STALE_MS },
      repeatMs: settings.alert_repeat_minutes * MINUTE_MS,
    },
    channels.length > 0 ? settings.alert_severity : undefined,
    before.incidents,
  );
  const deliveries: Delivery[] = channels.map((channel) =>
    createDelivery({
      ...{ channel, log, waiting: before.waiting[channel.name] ?? [] },
      times: { firstPauseMs: FIRST_PAUSE_MS / speed, longestPauseMs: LONGEST_PAUSE_MS / speed },
      onPast(delivered) {
        past.unshift(delivered);
        past.splice(PAST_KEPT);
        save();
      },
    }),
  );
  let timer: NodeJS.Timeout | undefined;
  let isStarted = false;

  events.on('incident', ({ incident }) => {
    incidents.found(incident);
    look({ hasChanged: true });
  });
  events.on('exit-recorded', ({ record }) => {
    incidents.exited(record);
    look({ hasChanged: true });
  });

  return {
    start() {
      isStarted = true;
      for (const { refusal } of channels) {
        const why = refusal?.();
        if (why !== undefined) log(`alerts: ${why}`);
      }
      look({ hasChanged: true });
      for (const delivery of deliveries) delivery.deliver();
    },
    report: () => ({
      ...{ ok: true as const, action: 'alerts' as const },
      channels: deliveries.map((delivery) => delivery.status()),
      open: incidents
        .open()
        .map(({ lastAt, toldAs, exits, ...open }) => open)
        .sort((a, b) => b.since - a.since),
      waiting: deliveries.flatMap((delivery) => {
        const { channel } = delivery.status();
        return delivery.waiting().map((alert) => ({ channel, alert }));
      }),
      past,
    }),
    testWithinMs: Math.max(0, ...channels.map(({ withinMs }) => withinMs)),
    async test() {
      const alert = alertOf(testIncident());
      const tested = await Promise.all(
        deliveries.map(async (delivery) => {
          const begun = performance.now();
          const { ok, said } = await delivery.sendNow(alert);
          const { channel, to } = delivery.status();
          return { channel, to, ok, said, ms: Math.round(performance.now() - begun) };
        }),
      );
      return { ok: tested.every(({ ok }) => ok), action: 'alerts', tested };
    },
    troubles: () => channels.flatMap((channel, at) => troublesOf(channel, deliveries[at] as Delivery, speed)),
    close() {
      stopLooking();
      isStarted = false;
      for (const delivery of deliveries) delivery.close();
      save();
    },
  };

  /** Tells what is due, and keeps looking while an incident is open. */
  function look({ hasChanged }: { hasChanged: boolean }): void {
    const before = incidents.open().length;
    const alerts = isStarted ? incidents.due(Date.now(), standingOf).map(alertOf) : [];
    for (const delivery of deliveries) for (const alert of alerts) delivery.add(alert);
    // On disk before anything is sent: the next module sends it under the same id.
    if (hasChanged || alerts.length > 0 || incidents.open().length !== before) save();
    if (alerts.length > 0) for (const delivery of deliveries) delivery.deliver();
    if (isStarted && incidents.open().length > 0)
      timer ??= setInterval(look, LOOK_EVERY_MS / speed, { hasChanged: false }).unref();
    else stopLooking();
  }

  function stopLooking(): void {
    clearInterval(timer);
    timer = undefined;
  }

  function save(): void {
    const waiting = Object.fromEntries(deliveries.map((delivery, at) => [channels[at]?.name, delivery.waiting()]));
    outbox.write({ incidents: incidents.saved(), waiting, past });
  }

  function standingOf(app: OfApp, pmIds: readonly PmId[]): AppStanding {
    const instances = fleet.instancesOf(appOf(app)).map(({ process: listed }) => listed);
    const theirs = instances.filter(({ pmId }) => pmIds.includes(pmId));
    const statuses = (theirs.length > 0 ? theirs : instances).map(({ status }) => status);
    if (statuses.length === 0) return 'gone';
    if (statuses.some((status) => status !== 'online' && status !== 'stopped')) return 'down';
    return statuses.includes('stopped') ? 'stopped' : 'up';
  }
}

function alertOf(told: Told): Alert {
  return { ...told, id: randomUUID(), host: hostname(), version: VERSION };
}

function testIncident(): Told {
  const at = Date.now();
  return {
    ...{ key: 'test', state: 'firing', severity: 'info', at, since: at, count: 1 },
    title: 'a test: alerts of pm2-ops arrive here',
    details: ['somebody has typed pm2-ops alerts --test'],
  };
}

function troublesOf({ refusal }: Channel, delivery: Delivery, speed: number): AlertTrouble[] {
  const { to, failing, waiting, lost } = delivery.status();
  const why = refusal?.();
  if (why !== undefined) return [{ severity: 'error', what: `no alert is delivered: ${why}` }];
  const forMs = failing ? Date.now() - failing.since : 0;
  if (failing && forMs >= TROUBLE_MS / speed) {
    const what = `${waiting} alerts wait, and none was delivered for ${Math.round(forMs / MINUTE_MS)} minutes: ${failing.said}`;
    return [{ severity: 'error', what }];
  }
  return lost === 0 ? [] : [{ severity: 'warning', what: `${lost} alerts were never delivered to ${to}` }];
}
