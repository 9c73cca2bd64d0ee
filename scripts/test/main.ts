// What `node scripts/test.mjs [PART …] [--record]` does: every test file, then what failed beside others once more alone,
// then one sum of all in the form of Node's own closing lines.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { provideModule } from '../../testkit/installed.ts';
import { longestFirst, record } from './durations.ts';
import { installTemplate, installWorkspace } from './installed.ts';
import { lanesHere, runInLanes } from './lanes.ts';
import { report, verdictOf } from './report.ts';
import { ROOT } from './root.ts';
import { type FileRun, runFile } from './runFile.ts';

/** The folder of the test files; the runner's own tests have one of theirs. */
const folder = join(ROOT, process.env.PM2_OPS_TESTS || 'test');
/** A file with this line in it is run where the npm registry can be reached. */
const NEEDS_NETWORK = '// Needs the npm registry.';

/** Runs the tests and answers the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const wanted = args.filter((argument) => argument !== '--record');
  const files = longestFirst(testFiles(wanted));
  if (files.length === 0) {
    console.error(wanted.length > 0 ? `no test file matches ${wanted.join(', ')}` : `no test file in ${folder}`);
    return 1;
  }
  const isAny = (name: RegExp) => files.some((file) => name.test(file));
  try {
    await Promise.all([
      installWorkspace('workspace', 'other Node and PM2 versions, a registry'),
      isAny(/frameworks/i) && installWorkspace('frameworks', 'Express, Fastify, Next.js, …'),
      isAny(/replaced/i) && installWorkspace('replaced', 'zone.js, New Relic, Sentry, …'),
      isAny(/^test.app-template/) && installTemplate(),
    ]);
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  if (files.some((file) => textOf(file).includes('startWithModule'))) await provideModule();

  const began = performance.now();
  const lanes = lanesHere();
  const runs = await runInLanes(files, {
    lanes,
    online: (file) => textOf(file).includes(NEEDS_NETWORK),
    run: async (file, namespaces) => told(await runFile(file, { namespaces })),
  });
  // In several lanes others ran beside it on the same CPUs: what fails alone, too, is what failed.
  const alone: FileRun[] = [];
  if (lanes > 1) for (const { file } of runs.filter(({ ok }) => !ok)) alone.push(told(await runFile(file, {})));
  const verdict = verdictOf(runs, alone);
  if (args.includes('--record')) record(verdict.deciding.filter(({ ok }) => ok));
  console.log(report(verdict, performance.now() - began));
  return verdict.ok ? 0 : 1;
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function testFiles(wanted: readonly string[]): string[] {
  const found = existsSync(folder) ? readdirSync(folder, { recursive: true }) : [];
  return found
    .map((file) => relative(ROOT, join(folder, String(file))))
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
}

function told(run: FileRun): FileRun {
  process.stdout.write(`${run.output}\n`);
  return run;
}
