// Every command that the docs tell a person to type is run by a test or by CI. This is the table of where.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../testkit/folders.ts';
import { markdownFiles } from './files.ts';
import { fencesOf } from './markdown.ts';

interface Row {
  /** Commands that this row is about. */
  command: RegExp;
  /** The file that runs them: a test, the CI script, or a script of package.json that CI runs. */
  runs: string;
  /** What that file says where it runs them. */
  says: string[];
}

const TABLE: Row[] = [
  // Installing
  { command: /^npm (ci|cit)\b/, runs: '.ci/run', says: ['npm cit'] },
  { command: /^npm pack$/, runs: 'testkit/package.ts', says: ["'pack'"] },
  { command: /^pm2 install ".*\.tgz"$/, runs: 'test/install/by-file.test.ts', says: ["'install'", 'packModule()'] },
  { command: /^pm2 install git\+/, runs: 'test/install/by-git.test.ts', says: ["'install'", 'git+'] },
  { command: /^pm2 install pm2-ops$/, runs: 'test/install/by-name.test.ts', says: ["'install', 'pm2-ops'"] },
  {
    command: /^pm2 set pm2-ops:attach off$/,
    runs: 'test/install/by-file.test.ts',
    says: ["'pm2-ops:attach', 'off'"],
  },
  // Actions
  { command: /^pm2 trigger \w+ heapdump$/, runs: 'test/agent/heapdump.test.ts', says: ["'heapdump'"] },
  { command: /^pm2 trigger \d drain$/, runs: 'test/agent/drain.test.ts', says: ["'drain'", 'E_LAST'] },
  { command: /^pm2 trigger pm2-ops attach\b/, runs: 'test/module/fleet/names.test.ts', says: ["'attach'"] },
  { command: /^pm2-ops heapdump web$/, runs: 'test/agent/heapdumpDrained.test.ts', says: ["'heapdump', 'web'"] },
  { command: /^pm2-ops leak-report web$/, runs: 'test/cli/profileCommands.test.ts', says: ['leak-report'] },
  { command: /^pm2-ops cpu-profile web$/, runs: 'test/cli/profileCommands.test.ts', says: ['cpu-profile'] },
  // The module's commands
  { command: /^pm2-ops status$/, runs: 'test/cli/cli.test.ts', says: ["'status'"] },
  { command: /^pm2-ops why web$/, runs: 'test/cli/why.test.ts', says: ["'why', 'web'"] },
  { command: /^pm2-ops stack \d$/, runs: 'test/module/operations/stack.test.ts', says: ["'stack'"] },
  { command: /^pm2-ops doctor$/, runs: 'test/module/operations/doctor/doctor.test.ts', says: ["'doctor'"] },
  { command: /^pm2-ops rules$/, runs: 'test/module/rules/rules.test.ts', says: ["'rules'"] },
  {
    command: /^pm2-ops rules --check rules\.json$/,
    runs: 'test/module/rules/rules.test.ts',
    says: ["'rules', '--check'"],
  },
  { command: /^pm2-ops alerts( --test)?$/, runs: 'test/module/alerts/command.test.ts', says: ["'alerts', '--test'"] },
  {
    command: /^pm2 set pm2-ops:alert_(url|format|exec) \S+$/,
    runs: 'test/module/alerts/command.test.ts',
    says: ["set('alert_url'", "set('alert_format', 'slack')", "set('alert_exec'"],
  },
  { command: /^pm2-ops repl web:0$/, runs: 'test/agent/repl/repl.test.ts', says: ["'repl'"] },
  {
    command: /^pm2-ops reload web --health \S+$/,
    runs: 'test/module/operations/reload/reload.test.ts',
    says: ["'--health'"],
  },
  {
    command: /^npx pm2-ops init my-service$/,
    runs: 'test/install/init.test.ts',
    says: ["'pm2-ops', 'init', 'my-service'"],
  },
  // The maintenance routes
  { command: /^curl .*\/ops\/status$/, runs: 'test/maintenance/frameworks.test.ts', says: ['/ops/status'] },
  { command: /^curl .*\/ops\/leak-report\?/, runs: 'test/maintenance/frameworks.test.ts', says: ['/ops/leak-report'] },
  { command: /^curl .*\/ops\/heapdump\?/, runs: 'test/maintenance/frameworks.test.ts', says: ['/ops/heapdump'] },
  // Development
  { command: /^npm run demo$/, runs: '.ci/run', says: ['npm run demo'] },
  { command: /^npm run demo:record$/, runs: 'test/scripts/terminalPicture.test.ts', says: ['terminalPicture('] },
  {
    command: /^npm run (build|typecheck|floors)$/,
    runs: 'package.json',
    says: ['npm run build', 'npm run typecheck', 'npm run floors'],
  },
  { command: /^npm run template$/, runs: 'testkit/template.ts', says: ["'run', 'build'"] },
  { command: /^node scripts\/test\.mjs \w+$/, runs: 'test/scripts/test.test.ts', says: ['scripts/test.mjs'] },
  { command: /^node --import tsx --test\b/, runs: 'scripts/test/runFile.ts', says: ["'--test'"] },
  { command: /^PM2_OPS_NODES=\S+ npm test$/, runs: 'testkit/nodes.ts', says: ['PM2_OPS_NODES'] },
  { command: /^npm run test:mutations\b/, runs: 'test/scripts/mutations.test.ts', says: ['mutat'] },
];

/** Commands that neither runs, and why. */
const NOT_RUN: { command: RegExp; why: string }[] = [
  { command: /^npm run bench(:\w+)?( -- --\w+( \w+)?)?$/, why: 'needs a machine that has nothing else to do' },
  { command: /^npm run graph$/, why: 'prints what npm run floors checks' },
  { command: /^npm run format$/, why: 'changes the checkout; npm run lint is its check' },
  { command: /^pm2 logs pm2-ops\b/, why: 'follows a log, and ends when a person ends it' },
];

describe('the commands in the docs', () => {
  const found = markdownFiles().flatMap((file) => {
    const commands = fencesOf(readFileSync(file, 'utf8')).flatMap(commandsOf);
    return commands.map((command) => ({ file: relative(ROOT, file), command }));
  });

  it('are found', () => {
    assert.ok(found.length > 40, `${found.length} commands`);
  });

  it('are each run by a test or by CI', () => {
    const unknown = found.filter(({ command }) => rowsOf(command).length === 0);
    assert.deepEqual(unknown, []);
  });

  it('have no row too many, and none for two', () => {
    const unused = [...TABLE, ...NOT_RUN].filter((row) => !found.some(({ command }) => row.command.test(command)));
    assert.deepEqual(unused, []);
    assert.deepEqual(
      found.filter(({ command }) => rowsOf(command).length > 1),
      [],
    );
  });

  it('are run where the table says', () => {
    const wrong = TABLE.filter(({ runs, says }) => {
      const file = join(ROOT, runs);
      if (!existsSync(file)) return true;
      const text = readFileSync(file, 'utf8');
      return !says.every((words) => text.includes(words));
    });
    assert.deepEqual(wrong, []);
  });

  it('name scripts of this package', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const missing = found.filter(({ command }) => {
      const script = /^npm run ([\w:-]+)/.exec(command)?.[1];
      return script !== undefined && scripts[script] === undefined;
    });
    assert.deepEqual(missing, []);
  });
});

function rowsOf(command: string): { command: RegExp }[] {
  return [...TABLE, ...NOT_RUN].filter((row) => row.command.test(command));
}

/** Where a block shows a session, its commands stand behind `$`; otherwise they are the lines that begin with a program. */
function commandsOf({ language, lines }: { language: string; lines: string[] }): string[] {
  if (!['', 'sh'].includes(language)) return [];
  const isSession = lines.some((line) => line.startsWith('$ '));
  const typed = isSession
    ? lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2))
    : lines.filter((line) => /^([A-Z_0-9]+=\S+ )?(npm|npx|node|pm2|pm2-ops|curl) /.test(line) && !line.includes(' <'));
  return typed.flatMap((line) => line.replace(/\s+# .*$/, '').split(' && '));
}
