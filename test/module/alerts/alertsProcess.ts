// The alerts of a module in a process of their own, which can be killed like the module. It gets records of exits by IPC.
import type { ExitRecord } from '../../../contract/exits.ts';
import { openAlerts } from '../../../module/alerts/alerts.ts';
import { createEvents } from '../../../module/events/events.ts';
import { validate } from '../../../module/pm2/settings.ts';

/** What it is started with, as JSON in its first argument. */
export interface AlertsProcessOptions {
  folder: string;
  settings: Record<string, unknown>;
  speed: number;
}

const { folder, settings: given, speed } = JSON.parse(process.argv[2] ?? '{}') as AlertsProcessOptions;
const { settings, alertUrl } = validate(given);
const events = createEvents(console.log);
// An app whose one process is online.
const instancesOf = () => [{ process: { pmId: 3, status: 'online' } }] as never;
const alerts = openAlerts({ settings, alertUrl, folder, events, fleet: { instancesOf }, log: console.log, speed });
alerts.start();
process.on('message', (record: ExitRecord) => {
  events.emit('exit-recorded', { record });
  process.send?.(alerts.report());
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
