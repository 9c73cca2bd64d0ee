// The module's process on the host: its files, settings, REPL, reports, and what it says.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const SETTINGS = 'test/module/pm2/settings.test.ts';
const EARS = 'test/module/agents/hearAgents.test.ts';
const HOSTILE = 'test/module/agents/hostileMessages.test.ts';
const MESSAGES = 'test/module/agents/agentMessages.test.ts';
const SESSION = 'test/agent/repl/session.test.ts';
const GROWTH = 'test/diagnostics/growth.test.ts';
const CLI = 'test/cli/cli.test.ts';
const COMMAND_LINE = 'test/cli/commandLine.test.ts';
const DOCTOR = 'test/module/operations/doctor/doctor.test.ts';
const DOCTOR_AROUND = 'test/module/operations/doctor/aroundApps.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'a process speaks in the name of another one',
    file: 'module/agents/hearAgents.ts',
    find: '.find((member) => member?.process.pid === pid);',
    replace: '.find((member) => member !== undefined);',
    tests: [EARS],
  },
  {
    harm: 'a process withdraws the question of another one',
    file: 'module/agents/hearAgents.ts',
    find: "if ('id' in message && !message.id.startsWith(`${message.pid}-`)) {",
    replace: "if ('id' in message && message.id === '') {",
    tests: [EARS],
  },
  {
    harm: 'a process answers a question that another one was asked',
    file: 'module/agents/agentCalls.ts',
    find: 'if (!isSameSlot(call.pmId, pmId)) return false;',
    replace: '',
    tests: [EARS],
  },
  {
    harm: 'one app takes all of the module’s time by its messages',
    file: 'module/agents/badMessages.ts',
    find: 'if (record.allowance < 1) return true;',
    replace: '',
    tests: [EARS],
  },
  {
    harm: 'a text of an app’s controls the terminal of whoever reads the log or the status',
    file: 'module/agents/agentMessages.ts',
    find: ' && !CONTROLS.test(given)',
    replace: '',
    tests: [MESSAGES],
  },
  {
    harm: 'a message of fifty megabytes is looked at from end to end',
    file: 'module/agents/agentMessages.ts',
    find: 'if (!isSmall(data))',
    replace: 'if (false as boolean)',
    tests: [MESSAGES],
  },
  {
    harm: 'root looks at whichever path an app names',
    file: 'module/state/partialFile.ts',
    find: "if (file !== join(folder, 'dumps', basename(file))) return false;",
    replace: '',
    tests: ['test/module/state/partialFile.test.ts'],
  },
  {
    harm: 'an app answers a command in place of the module',
    file: 'cli/askModule.ts',
    find: 'pmId === module.pmId && word?.nonce',
    replace: 'word?.nonce',
    tests: [HOSTILE],
  },
  {
    harm: 'an app that PM2 lists with something that is no name takes status from everybody',
    file: 'module/pm2/managedProcess.ts',
    find: "typeof name === 'string' || typeof name === 'number' ? String(name).slice(0, LONGEST_NAME) : `id ${pm_id}`",
    replace: 'name as string',
    tests: [HOSTILE],
  },
  {
    harm: 'PM2 gives up a module that cannot start, and all agents go',
    file: 'module/lastResort.ts',
    find: 'LIVES_AT_LEAST_MS - process.uptime() * 1000',
    replace: '0',
    tests: ['test/module/lastResort.test.ts'],
  },
  {
    harm: 'a port that does not exist is accepted as a setting',
    file: 'module/pm2/settings.ts',
    find: 'z.number().check(z.minimum(min), z.maximum(max))',
    replace: 'z.number().check(z.minimum(min))',
    tests: [SETTINGS],
  },
  {
    harm: 'a dot in an app name to exclude matches any character',
    file: 'module/pm2/settings.ts',
    find: ".replace(/[.+^${}()|[\\]\\\\]/g, '\\\\$&')",
    replace: '',
    tests: [SETTINGS],
  },
  {
    harm: 'a setting that does not exist is ignored in silence',
    file: 'module/pm2/settings.ts',
    find: 'const unknown = Object.keys(given).filter((key) => !Object.hasOwn(SETTINGS, key));',
    replace: 'const unknown: string[] = [];',
    tests: [SETTINGS],
  },
  {
    harm: 'whoever reaches the socket of a REPL runs code in the app, without its token',
    file: 'agent/repl/worker.ts',
    find: ' || frame.hello !== token',
    replace: '',
    tests: [SESSION],
  },
  {
    harm: 'code runs in an app that is written down nowhere',
    file: 'agent/repl/worker.ts',
    find: "    say({ done: 'error' });\n    return;",
    replace: "    say({ done: 'error' });",
    tests: [SESSION],
  },
  {
    harm: 'a REPL stays open when nobody comes',
    file: 'agent/repl/worker.ts',
    find: "let timer = setTimeout(() => end('no client connected'), comesWithinMs);",
    replace: 'let timer = setTimeout(() => {}, comesWithinMs);',
    tests: [SESSION],
  },
  {
    harm: 'memory that levels off is called a leak',
    file: 'diagnostics/growth.ts',
    find: 'const LEVELLING = 0.35;',
    replace: 'const LEVELLING = 0;',
    tests: [GROWTH],
  },
  {
    harm: 'a process that warms up is called a leak',
    file: 'diagnostics/growth.ts',
    find: "if (grew < warmUp) return unclear('what it holds grew no more than in any process that is still warming up');",
    replace: '',
    tests: [GROWTH],
  },
  {
    harm: 'noise is called a leak',
    file: 'diagnostics/growth.ts',
    find: 'const CERTAIN = 0.005;',
    replace: 'const CERTAIN = 0.5;',
    tests: [GROWTH],
  },
  {
    harm: 'a rise that may be chance counts as none',
    file: 'diagnostics/statistics.ts',
    find: 'most - 2 * inversions >= rising',
    replace: 'most - 2 * inversions > rising',
    tests: ['test/diagnostics/statistics.test.ts'],
  },
  {
    harm: 'a source map names the line before the one that was written',
    file: 'shared/sourceMaps.ts',
    find: 'line: entry.line + 1 }',
    replace: 'line: entry.line }',
    tests: ['test/shared/sourceMaps.test.ts'],
  },
  {
    harm: 'a name is pasted into a shell unquoted',
    file: 'shared/text/shell.ts',
    find: 'if (PLAIN.test(text)) return text;',
    replace: 'if (!text.includes("\'")) return text;',
    tests: ['test/shared/text/shell.test.ts'],
  },
  {
    harm: 'a reload of PM2 that hangs holds new agents back for ever',
    file: 'module/pm2/reloadsOfPm2.ts',
    find: 'now() - reload.sinceMs < LONGEST_MS',
    replace: 'now() - reload.sinceMs < Number.POSITIVE_INFINITY',
    tests: ['test/module/pm2/reloadsOfPm2.test.ts'],
  },
  {
    harm: 'an unknown command is no error for a script',
    file: 'cli/index.ts',
    find: 'process.exit(error instanceof UsageError ? 2 : 1);',
    replace: 'process.exit(1);',
    tests: [COMMAND_LINE],
  },
  {
    harm: 'doctor exits with 0 although something is wrong',
    file: 'module/operations/doctor/doctor.ts',
    find: "healthy: findings.every(({ severity }) => severity !== 'error')",
    replace: 'healthy: true',
    tests: [DOCTOR],
  },
  {
    harm: 'doctor hides the error below its notes',
    file: 'module/operations/doctor/doctor.ts',
    find: 'ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity)',
    replace: 'ORDER.indexOf(b.severity) - ORDER.indexOf(a.severity)',
    tests: [DOCTOR],
  },
  {
    harm: 'a script takes a process that failed for a wrong parameter',
    file: 'cli/agentCommand.ts',
    find: "failures.every((code) => code === 'E_PARAMS') ? 2 : 1",
    replace: "failures.some((code) => code === 'E_PARAMS') ? 2 : 1",
    tests: [CLI],
  },
  {
    harm: 'a command that comes while the module starts, as after each pm2 set, is lost',
    file: 'cli/askModule.ts',
    find: "actions.some(({ name }) => name === 'status')",
    replace: 'actions.length > 0',
    tests: [CLI],
  },
  {
    harm: 'whoever names a file after another process keeps that one without an agent',
    file: 'module/state/state.ts',
    find: 'return file?.startsWith(`${place}/`) === true && Number(PARTIAL.exec(basename(file))?.[1]) === pid;',
    replace: 'return true;',
    tests: ['test/module/state/state.test.ts'],
  },
  {
    harm: 'an app writes to the terminal of whoever looks at it',
    file: 'shared/text/printable.ts',
    find: 'return text.replace(UNPRINTABLE, escaped);',
    replace: 'return text;',
    tests: ['test/shared/text/printable.test.ts'],
  },
  {
    harm: 'the password of a database stands on the terminal of whoever deploys',
    file: 'module/operations/reload/lastLines.ts',
    find: 'return redactLines(lines);',
    replace: 'return lines;',
    tests: ['test/module/operations/reload/lastLines.test.ts'],
  },
  {
    harm: 'an app whose name holds a space cannot be excluded',
    file: 'module/pm2/settings.ts',
    find: ".split(',')",
    replace: '.split(/[\\s,]+/)',
    tests: [SETTINGS],
  },
  {
    harm: "two apps prune each other's dumps",
    file: 'diagnostics/fileNameOf.ts',
    find: 'return `${readable}~${hash}`;',
    replace: 'return readable;',
    tests: ['test/diagnostics/fileNameOf.test.ts'],
  },
  {
    harm: 'doctor complains of an app that somebody has stopped',
    file: 'module/operations/doctor/processes.ts',
    find: " || listed.status !== 'online' || host.blocked",
    replace: ' || host.blocked',
    tests: [DOCTOR],
  },
  {
    harm: 'a setting that doctor has somebody unset stays in force',
    file: 'module/operations/doctor/host.ts',
    find: 'return [`pm2 unset ${key}`, `pm2 restart ${NAME}`];',
    replace: 'return [`pm2 unset ${key}`];',
    tests: [DOCTOR_AROUND],
  },
  {
    harm: 'an app loses its own options when it is to load the agent',
    file: 'module/operations/doctor/lines.ts',
    find: '...withoutAgent(member.process.nodeArgs ?? []), ',
    replace: '',
    tests: [DOCTOR],
  },
];
