// `pm2-ops alerts`: which incidents are open, what was told of them, and whether alerts arrive.
import type { AlertsReply, AlertsRequest, AlertsTestReply, OpenIncident, PastAlert } from '../../contract/alerts.ts';
import type { Failure } from '../../contract/errors.ts';
import { printableValue } from '../../shared/text/printable.ts';
import { askModule } from '../askModule.ts';
import type { Command } from '../command.ts';
import { failureText } from '../failureText.ts';
import { complain, say, sayJson } from '../output.ts';
import { paint } from '../table.ts';

export const alerts: Command = {
  name: 'alerts',
  summary: 'Shows open incidents, and which alerts were delivered; --test sends one.',
  arguments: [],
  options: {
    test: { type: 'boolean', help: 'send one alert now, and say what came back' },
    json: { type: 'boolean', help: 'print JSON for scripts' },
  },
  async run({ values }) {
    const question: AlertsRequest = { test: values.test === true };
    const reply = await askModule<AlertsReply | AlertsTestReply | Failure>('alerts', question);
    if (values.json === true) sayJson(reply, 2);
    else if ('code' in reply) complain(failureText(reply));
    else say('tested' in reply ? renderTest(printableValue(reply)) : render(printableValue(reply)));
    return reply.ok ? 0 : 1;
  },
};

function renderTest({ tested }: AlertsTestReply): string {
  return tested
    .map(
      ({ ok, channel, said, ms }) => `${ok ? paint('green', '✔') : paint('red', '✖')} ${channel}: ${said} (${ms} ms)`,
    )
    .join('\n');
}

function render({ channels, open, waiting, past }: AlertsReply): string {
  const off = 'alerts are off; to turn them on: pm2 set pm2-ops:alert_url https://example.org/hook';
  return [
    ...(channels.length === 0 ? [off] : []),
    ...channels.map(({ channel, to, waiting: count, failing, lost }) =>
      [
        `${channel} ${to}: ${failing ? paint('red', `fails since ${time(failing.since)} (${failing.said})`) : 'ok'}`,
        `${count} to be delivered`,
        ...(lost > 0 ? [paint('red', `${lost} never delivered`)] : []),
      ].join(', '),
    ),
    '',
    open.length === 0 ? 'no incident is open' : `open (${open.length}):`,
    ...open.map(incidentLine),
    ...(waiting.length === 0 ? [] : ['', `to be delivered (${waiting.length}):`]),
    ...waiting.map(({ channel, alert }) => `  ${time(alert.at)}  ${channel}  ${alert.state}  ${alert.title}`),
    ...(past.length === 0 ? [] : ['', 'the last alerts:']),
    ...past.map(pastLine),
  ].join('\n');
}

function incidentLine({ severity, title, since, count, toldAt, next }: OpenIncident): string {
  const colour = severity === 'critical' ? 'red' : severity === 'warning' ? 'yellow' : 'grey';
  const seen = `since ${time(since)}${count > 1 ? `, ${count} times` : ''}`;
  const told = toldAt === undefined ? 'not told' : `told ${time(toldAt)}`;
  return `  ${paint(colour, severity)}  ${title} (${seen}; ${told})${next === undefined ? '' : `\n    ${next}`}`;
}

function pastLine({ at, ok, channel, state, title, said }: PastAlert): string {
  return `  ${time(at)}  ${ok ? paint('green', '✔') : paint('red', '✖')} ${channel}  ${state}  ${title}${ok ? '' : ` (${said})`}`;
}

/** In this host's time zone: `2026-11-26 13:05:09`. */
function time(at: number): string {
  return new Date(at).toLocaleString('sv');
}
