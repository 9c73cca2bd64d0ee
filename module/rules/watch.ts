// Reads rules.json again when it changes. A bad one is refused as a whole, and the last good one stays in force, also when the
// module restarts meanwhile.
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RULES_FILE, type RuleSet, type RulesReply } from '../../contract/rules.ts';
import { LARGEST_BYTES, problemLine, readRules, STANDARD } from '../rulesFile/read.ts';

/** A copy of the last good file, in the state folder. */
const GOOD_FILE = 'rules-in-force.json';
/** Problems in a line of the log; the command shows them all. */
const LOGGED = 3;

export interface RulesWatch {
  readonly file: string;
  /** The rules in force. */
  rules(): RuleSet;
  fileIs(): RulesReply['fileIs'];
  /** Line and reason of each problem of a file that was refused. */
  problems(): string[];
  /** Looks whether the file has changed. Never throws. */
  look(): void;
}

/**
 * @param folder the state folder
 * @param log gets a line when a file comes into force, is refused, or is gone
 */
export function watchRules(folder: string, log: (line: string) => void): RulesWatch {
  const file = join(folder, RULES_FILE);
  const good = join(folder, GOOD_FILE);
  let rules = STANDARD;
  let is: RulesReply['fileIs'] = 'absent';
  let problems: string[] = [];
  /** Tells one state of the file from another. */
  let mark = 'absent';
  let isFirst = true;

  return { file, rules: () => rules, fileIs: () => is, problems: () => problems, look };

  function look(): void {
    const now = markOf(file);
    if (now === mark && !isFirst) return;
    mark = now;
    if (now === 'absent') absent();
    else {
      const read = readFile(file);
      if (Array.isArray(read)) refuse(read);
      else accept(read);
    }
    isFirst = false;
  }

  function absent(): void {
    rmSync(good, { force: true });
    if (!isFirst) log(`${RULES_FILE} is gone: only the built-in rules are in force`);
    [rules, is, problems] = [STANDARD, 'absent', []];
  }

  function accept(read: { rules: RuleSet; text: string }): void {
    [rules, is, problems] = [read.rules, 'in-force', []];
    const names = rules.rules.filter(({ on }) => on).map(({ name }) => name);
    log(`${RULES_FILE} is in force: ${names.join(', ') || 'no rule is on'}`);
    try {
      writeFileSync(`${good}.new`, read.text, { mode: 0o600 });
      renameSync(`${good}.new`, good);
    } catch {
      // A full disk: then a bad file after a restart leaves only the built-in rules.
    }
  }

  function refuse(found: string[]): void {
    is = 'refused';
    problems = found;
    if (isFirst) {
      const kept = readFile(good);
      if (!Array.isArray(kept)) rules = kept.rules;
    }
    const more = found.length > LOGGED ? `; and ${found.length - LOGGED} more: pm2-ops rules` : '';
    log(`${RULES_FILE} is refused, and the rules stay as they were: ${found.slice(0, LOGGED).join('; ')}${more}`);
  }
}

/** @returns the rules of that file, or each problem with its line */
function readFile(file: string): { rules: RuleSet; text: string } | string[] {
  try {
    const stats = statSync(file);
    // Opening a FIFO would hold the module for ever.
    if (!stats.isFile()) return [`${RULES_FILE}: is no file`];
    if (stats.size > LARGEST_BYTES) return [`${RULES_FILE}: has ${stats.size} bytes; ${LARGEST_BYTES} are the most`];
    const text = readFileSync(file, 'utf8');
    const rules = readRules(text);
    return Array.isArray(rules) ? rules.map((problem) => problemLine(RULES_FILE, problem)) : { rules, text };
  } catch (error) {
    return [`${RULES_FILE}: cannot be read: ${(error as Error).message}`];
  }
}

function markOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'unreadable';
  }
}
