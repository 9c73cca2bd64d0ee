// `pm2-ops rules`: the rules in force, how they stand, and what they have brought; and whether a file of them is right.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RULES_FILE, type RuleStatus, type RulesReply } from '../../contract/rules.ts';
import { problemLine, readRules } from '../../module/rulesFile/read.ts';
import { printableValue } from '../../shared/text/printable.ts';
import { askModule, stateFolder } from '../askModule.ts';
import { type Command, UsageError } from '../command.ts';
import { complain, say, sayJson } from '../output.ts';
import { paint, table } from '../table.ts';

/** In the package and in a checkout, dist/ stands beside docs/. */
const SCHEMA = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'rules.schema.json');
/** Evidence that is shown; `--json` has all of it. */
const SHOWN = 8;

export const rules: Command = {
  name: 'rules',
  summary: 'Shows the rules in force, which of them fire, and the evidence that they took.',
  arguments: ['[file]'],
  options: {
    check: { type: 'boolean', help: `only check a file; ${RULES_FILE} in the state folder unless named` },
    schema: { type: 'boolean', help: 'print where the JSON schema is' },
    json: { type: 'boolean', help: 'print JSON for scripts' },
  },
  async run({ values, positionals: [file] }) {
    if (values.schema === true) return print(SCHEMA);
    if (values.check === true) return check(file ?? join(stateFolder(), RULES_FILE), values.json === true);
    if (file !== undefined) throw new UsageError('a file is only checked: pm2-ops rules --check FILE');
    const reply = await askModule<RulesReply>('rules');
    if (values.json === true) sayJson(reply, 2);
    else say(render(printableValue(reply)));
    return 0;
  },
};

/** Needs no module, so that it also runs where a file is made. @returns the exit code */
function check(file: string, asJson: boolean): number {
  if (!existsSync(file)) throw new UsageError(`there is no file ${file}`);
  const found = readRules(readFileSync(file, 'utf8'));
  const problems = Array.isArray(found) ? found : [];
  if (asJson) sayJson({ ok: problems.length === 0, file, problems }, 2);
  else if (Array.isArray(found)) complain(found.map((problem) => problemLine(file, problem)).join('\n'));
  else {
    const names = found.rules.filter(({ on }) => on).map(({ name }) => name);
    say(`${relative(process.cwd(), file) || file} is right; in force: ${names.join(', ') || 'no rule'}`);
  }
  return problems.length === 0 ? 0 : 1;
}

function render({ rules: all, evidence, file, fileIs, problems, host }: RulesReply): string {
  const about = {
    absent: `no file yet: ${file}`,
    'in-force': `in force: ${file}`,
    refused: paint('red', `refused, so the rules stay as they were: ${file}`),
  }[fileIs];
  return [
    table(
      ['rule', 'apps', 'when', 'do', 'limit', 'state', 'fired'],
      all.map((rule) => [
        rule.name,
        rule.apps.join(', '),
        rule.when,
        rule.do.join(', '),
        rule.limit,
        stateOf(rule),
        rule.lastFired === undefined ? '-' : `${rule.fired} ×, last ${clock(rule.lastFired)}`,
      ]),
    ),
    `all together: ${host.atOnce} at once, ${host.times} in ${Math.round(host.inMs / 60_000)} minutes`,
    about,
    ...problems,
    ...(evidence.length > 0 ? ['', 'evidence, the newest first:'] : []),
    ...evidence.slice(0, SHOWN).map(({ at, rule, action, app, pmId, ok, what, file: taken, code }) => {
      const outcome = ok ? what : paint('yellow', `nothing taken (${code}): ${what}`);
      return `${clock(at)}  ${rule}  ${action} of ${app}:${pmId}  ${outcome}${taken === undefined ? '' : `\n    ${taken}`}`;
    }),
    ...(evidence.length > SHOWN ? [`and ${evidence.length - SHOWN} more: --json shows all`] : []),
  ].join('\n');
}

function stateOf({ state, firing, limited }: RuleStatus): string {
  const [first] = firing;
  if (first) {
    const more = firing.length > 1 ? ` and ${firing.length - 1} more` : '';
    return paint('red', `firing since ${clock(first.since)}: ${first.subject}${more}`);
  }
  const [app] = limited;
  if (app) return paint('yellow', `limited until ${clock(app.until)}: ${app.app}`);
  return state === 'off' ? paint('grey', 'off') : state;
}

/** As `2026-01-31 12:00:05`, in this host's time. */
function clock(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 19).replace('T', ' ');
}

function print(text: string): number {
  say(text);
  return 0;
}
