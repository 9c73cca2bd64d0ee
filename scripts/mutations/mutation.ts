// A mutation: a change that breaks a line on purpose, and the tests that have to notice.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Mutation {
  /** What the product does wrong then, as its user would say it. */
  harm: string;
  /** Path of the source file in the project. */
  file: string;
  /** A text that is in that file exactly once … */
  find: string;
  /** … and what stands there instead. */
  replace: string;
  /** Test files, one of which fails then; the quickest first. */
  tests: readonly string[];
}

/** Mutations by room of the house: the name of their file in test/mutations. */
export type Rooms = Record<string, readonly Mutation[]>;

/** Why a mutation cannot be made any more: the code or the tests have moved on. Undefined when it can. */
export function staleness(root: string, { file, find, replace, tests }: Mutation): string | undefined {
  if (!existsSync(join(root, file))) return `there is no ${file}`;
  const matches = readFileSync(join(root, file), 'utf8').split(find).length - 1;
  if (matches !== 1) return `${file} has this text ${matches} times: ${find}`;
  if (find === replace) return 'it changes nothing';
  if (tests.length === 0) return 'no test is to notice it';
  const missing = tests.find((test) => !existsSync(join(root, test)));
  return missing && `there is no ${missing}`;
}

/** The file's text with the change made. */
export function mutated(text: string, { find, replace }: Mutation): string {
  // A function: the replacement may hold `$`.
  return text.replace(find, () => replace);
}
