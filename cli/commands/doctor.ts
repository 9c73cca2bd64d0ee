// `pm2-ops doctor`: what is wrong, and what to type.
import type { DoctorReply } from '../../contract/commandMessages.ts';
import type { Finding, Severity } from '../../contract/finding.ts';
import { VERSION } from '../../contract/version.ts';
import { printable } from '../../shared/text/printable.ts';
import { askModule } from '../askModule.ts';
import type { Command } from '../command.ts';
import { say, sayJson } from '../output.ts';
import { paint } from '../table.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Says what is wrong and the line to type; exit code 1 when there are errors.',
  arguments: [],
  options: { json: { type: 'boolean', help: 'print JSON for scripts' } },
  async run({ values }) {
    const reply = withVersions(await askModule<DoctorReply>('doctor'));
    if (values.json === true) sayJson(reply, 2);
    else say(render(reply));
    return reply.healthy ? 0 : 1;
  },
};

/** Adds a finding when module and command are of different versions: only the command knows both. */
function withVersions(reply: DoctorReply): DoctorReply {
  if (reply.version === VERSION) return reply;
  const finding: Finding = {
    severity: 'warning',
    check: 'command-version',
    what: `this command is of version ${VERSION}, the module of ${reply.version}`,
    subjects: [],
    fix: `npm install -g pm2-ops@${reply.version}\nor the other way round: pm2 install pm2-ops@${VERSION}`,
    commands: [`npm install -g pm2-ops@${reply.version}`],
  };
  const worse = reply.findings.filter(({ severity }) => severity === 'error');
  const findings = [...worse, finding, ...reply.findings.slice(worse.length)];
  return { ...reply, findings, checks: [...reply.checks, finding.check] };
}

const SIGNS: Record<Severity, string> = {
  error: paint('red', '✖'),
  warning: paint('yellow', '!'),
  info: paint('grey', 'i'),
};

function render({ findings, checks }: DoctorReply): string {
  const lines = findings.map(
    ({ severity, about, what, fix }) =>
      `${SIGNS[severity]} ${printable(`${about === undefined ? '' : `${about}: `}${what}`)}\n${linesOf(fix)}`,
  );
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const sum = `${checks.length} checks: ${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}, ${plural(count('info'), 'note')}`;
  return [...lines, sum].join('\n');
}

/** One line for each thing to do. */
function linesOf(fix: string): string {
  return fix
    .split('\n')
    .map((line) => `    ${printable(line)}`)
    .join('\n');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
