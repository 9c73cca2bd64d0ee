// Two checkouts beside each other: runs one benchmark of both in turns, so that whatever else happens on the machine happens to
// both, and prints every figure of the two with their ratio.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { table } from '../scripts/demo/terminal.ts';
import { cleanEnvironment } from '../testkit/environment.ts';
import { ROOT } from '../testkit/folders.ts';
import { say } from './support/report.ts';
import { median } from './support/stats.ts';

const USAGE = `npm run bench:beside -- FOLDER NAME [TURNS] [options of the benchmark]
  FOLDER   the other checkout, with its packages installed
  NAME     attach, footprint, overhead, install, …
  TURNS    of each checkout (2)`;

/** A figure's path in the results, such as `longestHoldMs.p95`, and its values, one per turn. */
type Figures = Map<string, number[]>;

async function main(): Promise<void> {
  const [folder = '', name = '', ...rest] = process.argv.slice(2);
  const turns = /^\d+$/.test(rest[0] ?? '') ? Number(rest.shift()) : 2;
  const other = resolve(folder);
  if (
    turns === 0 ||
    !existsSync(join(other, 'bench', `${name}.ts`)) ||
    !existsSync(join(ROOT, 'bench', `${name}.ts`))
  ) {
    console.error(`There is no benchmark "${name}" in both checkouts.\n${USAGE}`);
    process.exit(2);
  }
  const figures: Record<'there' | 'here', Figures> = { there: new Map(), here: new Map() };
  for (let turn = 1; turn <= turns; turn++) {
    // Neither is always the first.
    const order = [['there', other] as const, ['here', ROOT] as const];
    for (const [which, checkout] of turn % 2 === 1 ? order : order.toReversed()) {
      say(`turn ${turn} of ${turns}: ${checkout}`);
      await measure(checkout, name, rest);
      collect(figures[which], '', resultsOf(checkout, name));
    }
  }
  const rows = [...figures.here].flatMap(([path, values]) => {
    const before = figures.there.get(path);
    if (!before) return [];
    const [was, is] = [median(before), median(values)];
    return [[path, shown(was), shown(is), was === 0 ? '' : (is / was).toFixed(3)]];
  });
  console.log(`\nbench:${name}, ${turns} turns of each, medians\n${table(['figure', other, ROOT, 'ratio'], rows)}`);
}

/** Runs the benchmark of one checkout; its own report goes to stderr. */
function measure(checkout: string, name: string, options: string[]): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn('npm', ['run', '--silent', `bench:${name}`, '--', ...options], {
      cwd: checkout,
      env: cleanEnvironment(),
      stdio: ['ignore', process.stderr, process.stderr],
    });
    child.once('error', failed);
    child.once('exit', (code, signal) => {
      if (code === 0) done();
      else failed(new Error(`bench:${name} in ${checkout} ended with ${signal ?? `code ${code}`}`));
    });
  });
}

function resultsOf(checkout: string, name: string): unknown {
  const file = join(checkout, 'bench', 'results', `${name}.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { figures: unknown }).figures;
}

/** Adds every number below a value to the figures. */
function collect(figures: Figures, path: string, value: unknown): void {
  if (typeof value === 'number') figures.set(path, [...(figures.get(path) ?? []), value]);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, below] of Object.entries(value)) collect(figures, path === '' ? key : `${path}.${key}`, below);
}

function shown(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 3 : 1);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
