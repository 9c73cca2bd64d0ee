// What alerts must not do to apps, to the host, and to whoever reads them.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const INCIDENTS = 'test/module/alerts/incidents.test.ts';
const DELIVERY = 'test/module/alerts/delivery.test.ts';
const WEBHOOK = 'test/module/alerts/webhook.test.ts';
const PROGRAM = 'test/module/alerts/program.test.ts';
const SLACK = 'test/module/alerts/slack.test.ts';
const RESTART = 'test/module/alerts/restart.test.ts';
const SETTINGS = 'test/module/pm2/settings.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'an exit is counted twice, since its record comes twice',
    file: 'module/alerts/incidents.ts',
    find: 'const isNew = before !== incident.key;',
    replace: 'const isNew = true;',
    tests: [INCIDENTS],
  },
  {
    harm: 'each crash of a loop is an alert of its own',
    file: 'module/alerts/incidents.ts',
    find: 'return now - toldAt >= times.repeatMs ||',
    replace: 'return true ||',
    tests: [INCIDENTS, RESTART],
  },
  {
    harm: 'an app that PM2 has given up counts as well',
    file: 'module/alerts/incidents.ts',
    find: "if (standing === 'down' || (standing",
    replace: 'if ((standing',
    tests: [INCIDENTS],
  },
  {
    harm: 'a crash loop is told twice: as crashes, and as a crash loop',
    file: 'module/alerts/incidents.ts',
    find: 'if (!incident.key.startsWith(CRASH_LOOP) || !tellsExitsOf(incident.app)) count(incident);',
    replace: 'count(incident);',
    tests: [INCIDENTS],
  },
  {
    harm: 'nobody hears of a crash that the module was killed with',
    file: 'module/alerts/incidents.ts',
    find: 'if (incident.toldAt !== undefined || !isDue(incident, now)) lookForEnd',
    replace: 'lookForEnd',
    tests: [INCIDENTS],
  },
  {
    harm: 'a secret in a crash’s message leaves the host',
    file: 'module/alerts/safeText.ts',
    find: 'return shortened(printable(redact(text)));',
    replace: 'return shortened(printable(text));',
    tests: [INCIDENTS, RESTART],
  },
  {
    harm: 'a secret in the evidence of a crash leaves the host',
    file: 'module/alerts/safeText.ts',
    find: 'details: redactLines(details.slice(0, MOST_LINES))',
    replace: 'details: details.slice(0, MOST_LINES)',
    tests: [INCIDENTS, RESTART],
  },
  {
    harm: 'whoever provokes a crash calls everybody in the channel',
    file: 'module/alerts/slack.ts',
    find: ".replaceAll('<', '&lt;')",
    replace: '',
    tests: [SLACK],
  },
  {
    harm: 'text of an app leaves its block of code',
    file: 'module/alerts/slack.ts',
    find: ".replaceAll('`', \"'\")",
    replace: '',
    tests: [SLACK],
  },
  {
    harm: 'the environment turns the check of certificates off',
    file: 'module/alerts/webhook.ts',
    find: 'rejectUnauthorized: true,',
    replace: '',
    tests: [WEBHOOK],
  },
  {
    harm: 'an answer without end fills the module’s memory',
    file: 'module/alerts/webhook.ts',
    find: 'if (bytes >= MOST_BYTES) break;',
    replace: '',
    tests: [WEBHOOK],
  },
  {
    harm: 'a server that says the webhook’s path back has it in the log',
    file: 'module/alerts/webhook.ts',
    find: "rest.replaceAll(secret, '[redacted]')",
    replace: 'rest',
    tests: [WEBHOOK],
  },
  {
    harm: 'a server that never answers keeps all later alerts waiting',
    file: 'module/alerts/webhook.ts',
    find: 'AbortSignal.any([timer, signal])',
    replace: 'signal',
    tests: [WEBHOOK],
  },
  {
    harm: 'the daemon’s secrets are handed to a program',
    file: 'module/alerts/program.ts',
    find: 'env: environment(),',
    replace: '',
    tests: [PROGRAM],
  },
  {
    harm: 'children of a program that hangs stay for ever',
    file: 'module/alerts/program.ts',
    find: "process.kill(-child.pid, 'SIGKILL');",
    replace: "process.kill(child.pid, 'SIGKILL');",
    tests: [PROGRAM],
  },
  {
    harm: 'another user runs code as the daemon’s, by changing the program',
    file: 'module/alerts/program.ts',
    find: 'return (stats.mode & WRITABLE_BY_OTHERS) !== 0 && !isSticky;',
    replace: 'return false;',
    tests: [PROGRAM],
  },
  {
    harm: 'another user’s program runs as the daemon’s user',
    file: 'module/alerts/program.ts',
    find: 'if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) return true;',
    replace: '',
    tests: [PROGRAM],
  },
  {
    harm: 'one alert that a server refuses holds up all others',
    file: 'module/alerts/delivery.ts',
    find: 'refusals(alert) < refusals(best)',
    replace: 'false as boolean',
    tests: [DELIVERY],
  },
  {
    harm: 'alerts that nobody takes fill the disk',
    file: 'module/alerts/delivery.ts',
    find: 'queue.length > MOST_WAITING || ',
    replace: '',
    tests: [DELIVERY],
  },
  {
    harm: 'alerts are lost with a module that is killed',
    file: 'module/alerts/alerts.ts',
    find: 'if (hasChanged || alerts.length > 0 || incidents.open().length !== before) save();',
    replace: '',
    tests: [RESTART],
  },
  {
    harm: 'other users read the alerts that wait',
    file: 'module/alerts/outbox.ts',
    find: ', { mode: 0o600 }',
    replace: '',
    tests: [RESTART],
  },
  {
    harm: 'status shows the secret in the webhook’s URL',
    file: 'module/pm2/settings.ts',
    find: "alert_url: alertUrl ? shownUrl(alertUrl) : ''",
    replace: "alert_url: alertUrl ? alertUrl.href : ''",
    tests: [SETTINGS],
  },
  {
    harm: 'the log shows the secret in a webhook’s URL that is refused',
    file: 'module/pm2/settings.ts',
    find: "'isSecret' in rest ? 'its value' : JSON.stringify(value)",
    replace: 'JSON.stringify(value)',
    tests: [SETTINGS],
  },
];
