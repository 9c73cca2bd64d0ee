import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readRooms } from '../../scripts/mutations/main.ts';
import { staleness } from '../../scripts/mutations/mutation.ts';
import { ROOT, tempFolder } from '../../testkit/folders.ts';
import { run } from '../../testkit/run.ts';

const HOUSE = [
  ...[
    'agent',
    'agent/door',
    'agent/flight',
    'app-template',
    'contract',
    'diagnostics',
    'drain',
    'lifecycle',
    'maintenance',
  ],
  ...[
    'module/agents',
    'module/alerts',
    'module/attach',
    'module/door',
    'module/figures',
    'module/fleet',
    'module/operations',
  ],
  ...['module/recorder', 'module/rules', 'module/rulesFile', 'module/state', 'shared'],
];

describe('the changes that tests have to notice', () => {
  it('can all be made in the code as it is', async () => {
    const all = Object.values(await readRooms(ROOT)).flat();
    const stale = all.flatMap((mutation) => {
      const reason = staleness(ROOT, mutation);
      return reason ? [`${mutation.harm}: ${reason}`] : [];
    });
    assert.deepEqual(stale, [], 'the code has moved on: change test/mutations with it');
  });

  it('are sixty at least, each once, in every room of the house that could harm an app', async () => {
    const rooms = await readRooms(ROOT);
    const all = Object.values(rooms).flat();
    assert.ok(all.length >= 60, `there are ${all.length}`);
    const files = all.map(({ file }) => file);
    assert.deepEqual(
      HOUSE.filter((room) => !files.some((file) => file.startsWith(`${room}/`))),
      [],
    );
    const made = all.map(({ file, find, replace }) => JSON.stringify([file, find, replace]));
    assert.equal(new Set(made).size, made.length);
  });
});

describe('npm run test:mutations', () => {
  const SUM = 'export function sum(a: number, b: number): number {\n  return a + b;\n}\n';
  const TEST = `import assert from 'node:assert/strict';
    import test from 'node:test';
    import { sum } from '../sum.ts';
    test('two and three are five', () => assert.equal(sum(2, 3), 5));`;
  const change = (harm: string, find: string, replace: string, test = 'test/sum.test.ts') =>
    `{ harm: '${harm}', file: 'sum.ts', find: '${find}', replace: '${replace}', tests: ['${test}'] },`;
  const noticed = change('it subtracts', 'a + b', 'a - b');
  const survivor = change('it is another sum', 'a + b', 'b + a');

  it('is content when every change is noticed, and changes nothing itself', async () => {
    const { folder, code, output } = await mutate([noticed, change('it forgets', 'a + b', 'a')]);
    assert.equal(code, 0, output);
    assert.match(output, /it subtracts \(.*\n +noticed by two and three are five \(test\/sum\.test\.ts\)/);
    assert.match(output, /2 of 2 were noticed/);
    assert.equal(readFileSync(join(folder, 'sum.ts'), 'utf8'), SUM);
  });

  it('shows each change that survives, and fails', async () => {
    const { code, output } = await mutate([noticed, survivor]);
    assert.equal(code, 1);
    assert.match(output, /survived\n +it is another sum\n +sum\.ts\n +- a \+ b\n +\+ b \+ a\n/);
    assert.match(output, /room +2 +1 +1 +0\n/);
    assert.match(output, /1 of 2 were noticed/);
  });

  it('fails for a change that cannot be made, and for a test that is red without it', async () => {
    const { code, output } = await mutate(
      [noticed, change('it is stale', 'a * b', 'a'), change('it is not judged', 'a + b', 'a', 'test/red.test.ts')],
      { 'test/red.test.ts': `import test from 'node:test'; test('is red', () => { throw new Error('always'); });` },
    );
    assert.equal(code, 1);
    assert.match(output, /void: sum\.ts has this text 0 times: a \* b\n +it is stale/);
    assert.match(output, /void: test\/red\.test\.ts fails without it\n +it is not judged/);
    assert.match(output, /1 of 3 were noticed/);
  });

  it('takes only those that are asked for, by room, file or harm', async () => {
    const { code, output } = await mutate([noticed, survivor], {}, ['subtracts']);
    assert.equal(code, 0, output);
    assert.match(output, /1 of 1 were noticed/);
    assert.equal((await mutate([noticed], {}, ['elsewhere'])).code, 1);
  });

  /** Runs it over a small project with these changes. */
  async function mutate(changes: string[], files: Record<string, string> = {}, args: string[] = []) {
    const folder = tempFolder();
    for (const each of ['test', 'test/mutations']) mkdirSync(join(folder, each));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const all = {
      'sum.ts': SUM,
      'test/sum.test.ts': TEST,
      'test/mutations/room.ts': `export const mutations = [\n${changes.join('\n')}\n];\n`,
      ...files,
    };
    for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text);
    const { code, stdout, stderr } = await run(process.execPath, ['--import', 'tsx', 'scripts/mutations.ts', ...args], {
      cwd: ROOT,
      env: { ...process.env, PM2_OPS_MUTATIONS: folder },
      timeoutMs: 120_000,
    });
    return { folder, code, output: stdout + stderr };
  }
});
