import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { canSeparate } from '../../scripts/test/lanes.ts';
import { ROOT, tempFolder } from '../../testkit/folders.ts';
import { run } from '../../testkit/run.ts';

const PASSES = `import test from 'node:test'; test('passes', () => {});`;
const FAILS = `import test from 'node:test'; test('the answer is right', () => { throw new Error('wrong answer'); });`;
/** Fails the first time only. */
const UNSTEADY = `
  import { existsSync, writeFileSync } from 'node:fs';
  import test from 'node:test';
  test('is not disturbed', () => {
    if (existsSync(new URL(import.meta.url + '.ran'))) return;
    writeFileSync(new URL(import.meta.url + '.ran'), '');
    throw new Error('somebody was beside it');
  });
  test('is never disturbed', () => {});`;
const needsLanes = canSeparate() ? {} : { skip: 'no right to make network namespaces' };

test('with one lane a failed test fails the run', async () => {
  const { code, output, counts } = await runTests({ fails: FAILS, passes: PASSES }, { lanes: 1 });
  assert.equal(code, 1);
  assert.match(output, /wrong answer/);
  assert.match(output, /✖ failed: \S+fails\.test\.ts; again: node scripts\/test\.mjs \S+fails\.test\.ts/);
  assert.deepEqual(counts, { tests: 2, pass: 1, fail: 1 });
});

test('with one lane nothing is run a second time', async () => {
  const { code, output } = await runTests({ unsteady: UNSTEADY }, { lanes: 1 });
  assert.equal(code, 1);
  assert.match(output, /✖ failed: \S+unsteady\.test\.ts/);
});

test('a run in which all pass ends well, with the sum of all files and the slowest', async () => {
  const { code, output, counts } = await runTests({ one: PASSES, two: PASSES }, { lanes: 1 });
  assert.equal(code, 0);
  assert.match(output, /slowest: \S+\.test\.ts \(\d+\.\d s\), \S+\.test\.ts \(\d+\.\d s\)\n/);
  assert.deepEqual(counts, { tests: 2, pass: 2, fail: 0 });
});

test('with two lanes a failed test fails the run', needsLanes, async () => {
  const { code, counts } = await runTests({ fails: FAILS, passes: PASSES }, { lanes: 2 });
  assert.equal(code, 1);
  assert.deepEqual(counts, { tests: 2, pass: 1, fail: 1 });
});

test('a file that fails beside others and passes alone is shown with its failure and counted', needsLanes, async () => {
  const { code, output, counts } = await runTests({ unsteady: UNSTEADY, passes: PASSES }, { lanes: 2 });
  assert.equal(code, 0);
  const [, end = ''] = output.split(/unsteady: \S+unsteady\.test\.ts failed beside others and passed alone:/);
  assert.match(end, /somebody was beside it/);
  assert.match(end, /unsteady: 1 /);
  assert.deepEqual(counts, { tests: 3, pass: 3, fail: 0 }, 'its two tests are counted once, by the run that decides');
});

test('two unsteady files are an accident, three fail the run', needsLanes, async () => {
  const two = await runTests({ one: UNSTEADY, two: UNSTEADY }, { lanes: 2 });
  assert.equal(two.code, 0);
  assert.match(two.output, /unsteady: 2 /);
  const three = await runTests({ one: UNSTEADY, two: UNSTEADY, three: UNSTEADY }, { lanes: 2 });
  assert.equal(three.code, 1);
  assert.match(three.output, /unsteady: 3 /);
});

test('a file that does not tell that all of its tests have passed has failed', async () => {
  const header = `import test from 'node:test'; test('begins', () => {});`;
  const { code, output, counts } = await runTests(
    {
      killed: `${header} test('is cut', () => { process.kill(process.pid, 'SIGKILL'); });`,
      exits: `${header} test('is cut', () => new Promise(() => setTimeout(process.exit, 50, 0))); test('never begins', () => {});`,
      throws: `${header} throw new Error('on its way');`,
      empty: `console.log('no test here');`,
      suite: `import { describe } from 'node:test'; describe('of nothing', () => {});`,
      hangs: `${header} setInterval(() => {}, 1000);`,
      skips: `import test from 'node:test'; test('needs nginx', { skip: 'no nginx' }, () => {});`,
    },
    { lanes: 1, fileTimeoutMs: 4000 },
  );
  assert.equal(code, 1);
  const failed = [...output.matchAll(/✖ failed: \S+\/(\w+)\.test\.ts;/g)].map(([, name]) => name);
  assert.deepEqual(failed.sort(), ['empty', 'exits', 'hangs', 'killed', 'suite', 'throws']);
  assert.match(output, /exits\.test\.ts: its process ended before "is cut", "never begins" had\n/);
  assert.match(output, /empty\.test\.ts: no test of it has ended\n/);
  assert.match(output, /suite\.test\.ts: no test of it has ended\n/);
  assert.match(output, /hangs\.test\.ts: still running after 4 s, ended\n/);
  assert.equal(counts.fail, 6, 'each is counted, so that the sum does not look well');
});

test('a run without a test file fails', async () => {
  assert.equal((await runTests({}, { lanes: 1 })).code, 1);
  const { code, output } = await runTests({ one: PASSES }, { lanes: 1, args: ['elsewhere'] });
  assert.equal(code, 1);
  assert.match(output, /no test file matches elsewhere/);
});

/** Runs the runner over test files of these texts. */
async function runTests(
  files: Record<string, string>,
  { lanes, fileTimeoutMs, args = [] }: { lanes: number; fileTimeoutMs?: number; args?: string[] },
): Promise<{ code: number | null; output: string; counts: Record<'tests' | 'pass' | 'fail', number> }> {
  const folder = tempFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.test.ts`), text);
  const { code, stdout, stderr } = await run(process.execPath, ['scripts/test.mjs', ...args], {
    cwd: ROOT,
    env: {
      ...process.env,
      PM2_OPS_TESTS: relative(ROOT, folder),
      PM2_OPS_LANES: String(lanes),
      ...(fileTimeoutMs ? { PM2_OPS_FILE_TIMEOUT_MS: String(fileTimeoutMs) } : {}),
    },
  });
  const output = stdout + stderr;
  const count = (name: string): number => Number(output.match(new RegExp(`^ℹ ${name} (\\d+)$`, 'm'))?.[1]);
  return { code, output, counts: { tests: count('tests'), pass: count('pass'), fail: count('fail') } };
}
