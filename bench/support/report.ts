// What a benchmark says: tables on the terminal, the same figures in bench/results/NAME.json. A goal that is missed is
// reported, not an error: figures depend on the machine.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { mark, table } from '../../scripts/demo/terminal.ts';
import { ROOT } from '../../testkit/folders.ts';
import { type Machine, machineLine } from './machine.ts';
import { round } from './stats.ts';

/** At most `limit`; `value` is what was measured. */
export interface Goal {
  what: string;
  value: number;
  limit: number;
  unit: string;
}

export interface Section {
  title: string;
  head: string[];
  rows: string[][];
}

export interface Report {
  /** Of the file in bench/results. */
  name: string;
  machine: Machine;
  options: Record<string, number | string | boolean>;
  sections: Section[];
  goals: Goal[];
  /** Small print under the figures, for people who quote them. */
  figures: Record<string, unknown>;
}

export function report({ name, machine, options, sections, goals, figures }: Report): void {
  console.log(`\n${mark.bold(`bench:${name}`)}  ${machineLine(machine)}`);
  for (const { title, head, rows } of sections) console.log(`\n${mark.bold(title)}\n${table(head, rows)}`);
  console.log(`\n${mark.bold('Goals')}`);
  const goalRows = goals.map(({ what, value, limit, unit }) => [
    what,
    withUnit(value, unit),
    `≤ ${withUnit(limit, unit)}`,
    value <= limit ? mark.good('✔ reached') : mark.bad('✘ missed'),
  ]);
  console.log(table(['what', 'measured', 'goal', ''], goalRows));

  const folder = join(ROOT, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  const content = {
    machine,
    options,
    goals: goals.map((goal) => ({ ...goal, value: round(goal.value, 3), reached: goal.value <= goal.limit })),
    figures,
  };
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  console.log(`\n${relative(process.cwd(), file)} written.`);
}

/** One line of progress on stderr, so that the tables can be redirected. */
export function say(line: string): void {
  console.error(mark.dim(`… ${line}`));
}

function withUnit(value: number, unit: string): string {
  return `${round(value, value < 10 ? 3 : 1)}${unit ? ` ${unit}` : ''}`;
}
