// Makes rules of a text, or says what is wrong with it and in which line.
import type { Condition, Limit, Rule, RuleAction, RuleActionName, RuleSet } from '../../contract/rules.ts';
import { BUILT_IN, HOST_LIMIT } from './defaults.ts';
import { JsonError, type Position, readJson } from './json.ts';
import { reasonsOf } from './reasons.ts';
import { type RuleInFile, rulesFile } from './schema.ts';
import { bytesOf, msOf } from './units.ts';

/** A larger file is none of a person's. */
export const LARGEST_BYTES = 256 * 1024;
const LONGEST_MS = 30 * 86_400_000;

export interface Problem extends Position {
  reason: string;
}

/** The rules in force without a file. */
export const STANDARD: RuleSet = { rules: [...BUILT_IN], host: HOST_LIMIT };

/** @returns the rules of this text, together with the built-in ones that it does not replace; or each problem */
export function readRules(text: string): RuleSet | Problem[] {
  if (text.length > LARGEST_BYTES)
    return [{ line: 1, column: 1, reason: `the file has more than ${LARGEST_BYTES} characters` }];
  let json: ReturnType<typeof readJson>;
  try {
    json = readJson(text);
  } catch (error) {
    if (error instanceof JsonError) return [{ ...error.at, reason: error.message }];
    throw error;
  }
  const result = rulesFile.safeParse(json.value);
  if (!result.success) {
    return result.error.issues
      .flatMap((issue) => reasonsOf(issue, json.value))
      .map(({ path, reason }) => ({ ...json.positionOf(path), reason }));
  }
  const { host = {}, rules: given } = result.data;
  const problems: Problem[] = [];
  const rules = given.map((rule, index) => {
    const complain = (path: PropertyKey[], reason: string) =>
      problems.push({ ...json.positionOf(['rules', index, ...path]), reason });
    if (given.findIndex(({ name }) => name === rule.name) < index)
      complain(['name'], `there are two rules "${rule.name}"`);
    return ruleOf(rule, complain);
  });
  if (problems.length > 0) return problems;
  const names = new Set(given.map(({ name }) => name));
  return {
    rules: [...BUILT_IN.filter(({ name }) => !names.has(name)), ...rules.flatMap((rule) => rule ?? [])],
    host: {
      atOnce: host.atOnce ?? HOST_LIMIT.atOnce,
      times: host.times ?? HOST_LIMIT.times,
      inMs: host.in === undefined ? HOST_LIMIT.inMs : msOf(host.in),
    },
  };
}

/** `rules.json:3:5: reason`, as compilers say it. */
export function problemLine(file: string, { line, column, reason }: Problem): string {
  return `${file}:${line}:${column}: ${reason}`;
}

type Complain = (path: PropertyKey[], reason: string) => void;

function ruleOf(given: RuleInFile, complain: Complain): Rule | undefined {
  const { name, on = true } = given;
  const replaced = BUILT_IN.find((rule) => rule.name === name);
  const when = given.when === undefined ? replaced?.when : conditionOf(given.when, complain);
  const actions = given.do === undefined ? replaced?.do : given.do.map(actionOf);
  if (when === undefined || actions === undefined) {
    complain(
      ['name'],
      `the rule "${name}" needs "${when === undefined ? 'when' : 'do'}": only a built-in rule has one of its own`,
    );
    return undefined;
  }
  const limit =
    given.limit === undefined ? (replaced?.limit ?? { times: 1, inMs: 3_600_000 }) : limitOf(given.limit, complain);
  checkActions(when, actions, complain);
  return {
    name,
    builtIn: false,
    on,
    apps: given.apps ?? replaced?.apps ?? ['*'],
    when,
    do: actions,
    limit,
    severity: given.severity ?? replaced?.severity ?? 'warning',
  };
}

function conditionOf(given: NonNullable<RuleInFile['when']>, complain: Complain): Condition {
  const timeOf = (field: 'for' | 'in', text: string | undefined, standard: string, leastMs = 0): number => {
    const ms = msOf(text ?? standard);
    if (ms > LONGEST_MS || ms < leastMs)
      complain(['when', field], `"${field}" is ${ms > LONGEST_MS ? 'longer than 30d' : `shorter than ${leastMs} ms`}`);
    return ms;
  };
  switch (given.is) {
    case 'blocked':
      return { is: 'blocked', forMs: timeOf('for', given.for, '2s', 1_000) };
    case 'exit':
      return { is: 'exit', causes: given.causes, times: given.times ?? 1, inMs: timeOf('in', given.in, '10m', 1) };
    case 'restarts':
      return { is: 'restarts', times: given.times, inMs: timeOf('in', given.in, '10m', 1) };
    case 'disk': {
      const below = bytesOf(given.below);
      const above = given.above === undefined ? below * 1.25 : bytesOf(given.above);
      if (above < below) complain(['when', 'above'], '"above" is less than "below": it would be over at once');
      return { is: 'disk', below, above, forMs: timeOf('for', given.for, '10s') };
    }
    case 'growth': {
      const above = bytesOf(given.above);
      const below = given.below === undefined ? above * 0.8 : bytesOf(given.below);
      if (below > above) complain(['when', 'below'], '"below" is more than "above": it would be over at once');
      return { is: 'growth', above, below, forMs: timeOf('for', given.for, '1h') };
    }
    default: {
      const { is, above, below = above * 0.8 } = given;
      if (below > above) complain(['when', 'below'], '"below" is more than "above": it would be over at once');
      return { is, above, below, forMs: timeOf('for', given.for, '10s') };
    }
  }
}

function actionOf(given: NonNullable<RuleInFile['do']>[number]): RuleAction {
  const detailed: { action: RuleActionName } & Details = typeof given === 'string' ? { action: given } : given;
  const { action, seconds } = detailed;
  switch (action) {
    case 'cpu-profile':
      return { action, seconds: seconds ?? 10 };
    case 'heap-profile':
      return { action, seconds: seconds ?? 30 };
    case 'leak-report':
      return { action, seconds: seconds ?? 60, largestHeapBytes: bytesOf(detailed.largestHeap ?? '1GB') };
    case 'heapdump': {
      const { gzip = false, scale = false, inPlace = false } = detailed;
      return { action, gzip, scale, inPlace };
    }
    default:
      return { action };
  }
}

/** What the actions of a file may be told, all together. */
interface Details {
  seconds?: number | undefined;
  largestHeap?: string | undefined;
  gzip?: boolean | undefined;
  scale?: boolean | undefined;
  inPlace?: boolean | undefined;
}

function limitOf(given: NonNullable<RuleInFile['limit']>, complain: Complain): Limit {
  const inMs = msOf(given.in);
  if (inMs > LONGEST_MS || inMs < 1_000) complain(['limit', 'in'], '"in" is between 1s and 30d');
  return { times: given.times, inMs };
}

function checkActions({ is }: Condition, actions: RuleAction[], complain: Complain): void {
  for (const [index, { action }] of actions.entries()) {
    if (action === 'alert') continue;
    const path = ['do', index];
    if (is === 'disk') complain(path, `"disk" is about the host: "${action}" is of a process`);
    else if (is === 'exit' || is === 'restarts')
      complain(
        path,
        `"${is}" is about processes that are gone: there is nothing for "${action}"; pm2-ops why has the record`,
      );
    else if (is === 'blocked' && action !== 'stack' && action !== 'reload')
      complain(path, `a blocked process does not answer "${action}"; it can have its "stack"`);
  }
}
