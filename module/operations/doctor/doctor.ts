// `pm2-ops doctor`: says what is wrong and which line to type. Its checks are cheap and change nothing.

import type { DoctorReply } from '../../../contract/commandMessages.ts';
import type { Finding } from '../../../contract/finding.ts';
import { VERSION } from '../../../contract/version.ts';
import { printable } from '../../../shared/text/printable.ts';
import { shellWord } from '../../../shared/text/shell.ts';
import { APP_CHECKS } from './apps.ts';
import { CHILDREN_CHECK } from './children.ts';
import { EXIT_CHECKS } from './exits.ts';
import type { Check, Found, Host } from './finding.ts';
import { HOST_CHECKS } from './host.ts';
import { OOM_POLICY_CHECK } from './oomPolicy.ts';
import { PROCESS_CHECKS } from './processes.ts';

const CHECKS: Check[] = [
  ...HOST_CHECKS,
  OOM_POLICY_CHECK,
  ...PROCESS_CHECKS,
  CHILDREN_CHECK,
  ...APP_CHECKS,
  ...EXIT_CHECKS,
];
/** How many of the apps that a finding is about it names. */
const SHOWN = 3;
const ORDER = ['error', 'warning', 'info'] as const;

/** Runs every check. A check that fails becomes a finding. */
export async function examine(host: Host): Promise<DoctorReply> {
  const findings: Finding[] = [];
  for (const { name, look } of CHECKS) {
    try {
      findings.push(...grouped(await look(host)).map((group) => findingOf(name, group)));
    } catch (error) {
      const what = `this check failed: ${(error as Error).message}`;
      findings.push(findingOf(name, [{ severity: 'warning', what, type: ['pm2 logs pm2-ops --lines 50 --nostream'] }]));
    }
  }
  findings.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  return {
    ok: true,
    action: 'doctor',
    version: VERSION,
    healthy: findings.every(({ severity }) => severity !== 'error'),
    checks: CHECKS.map(({ name }) => name),
    findings,
  };
}

type Group = [Found, ...Found[]];

/** Puts findings of one check together that say the same of several apps or processes. */
function grouped(found: readonly Found[]): Group[] {
  const groups = new Map<string, Group>();
  for (const each of found) {
    const { severity, what, type, ecosystem, say } = each;
    const key = JSON.stringify([severity, what, type, ecosystem, say, each.each?.line('')]);
    const group = groups.get(key);
    if (group) group.push(each);
    else groups.set(key, [each]);
  }
  return [...groups.values()];
}

function findingOf(check: string, group: Group): Finding {
  const [{ severity, what, type = [], each, ecosystem, say }] = group;
  const subjects = [...new Set(group.flatMap(({ about }) => about ?? []))];
  const words = [...new Set(group.flatMap((found) => found.each?.words ?? []))].map(shellWord);
  const commands = [...(each ? linesFor(words, each.line) : []), ...type];
  const fix = [
    ...commands,
    ...(ecosystem
      ? [`in the ecosystem file${commands.length > 0 ? ', so that it stays' : ''}: ${literal(ecosystem)}`]
      : []),
    ...(say ? [say] : []),
  ];
  return {
    severity,
    check,
    ...(subjects.length > 0 ? { about: few(subjects) } : {}),
    subjects,
    what,
    // A line break in an app's name would look like a line of doctor's.
    fix: fix.map(printable).join('\n'),
    commands,
    ...(ecosystem ? { ecosystem } : {}),
  };
}

function few(subjects: readonly string[]): string {
  const shown = subjects.slice(0, subjects.length > SHOWN + 1 ? SHOWN : undefined);
  return shown.join(', ') + (shown.length < subjects.length ? ` and ${subjects.length - shown.length} more` : '');
}

function linesFor(words: string[], line: (word: string) => string): string[] {
  if (words.length < 2) return words.map(line);
  return [`for app in ${words.join(' ')}; do ${line('"$app"')}; done`];
}

/** `kill_timeout: 6000, node_args: ['--import', '/x']`, as a person writes it in an ecosystem file. */
function literal(settings: Record<string, unknown>): string {
  const entries = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return entries.join(', ').replaceAll(/"([^"'\\]*)"/g, "'$1'");
}
