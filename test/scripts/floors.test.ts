import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ROOT, tempFolder } from '../../testkit/folders.ts';
import { manifest } from '../../testkit/package.ts';
import { run } from '../../testkit/run.ts';

/** Runs `npm run floors` in a house of these files. */
async function floors(files: Record<string, string>): Promise<{ code: number | null; broken: string[] }> {
  const house = tempFolder();
  copyFileSync(join(ROOT, '.dependency-cruiser.mjs'), join(house, '.dependency-cruiser.mjs'));
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(house, file)), { recursive: true });
    writeFileSync(join(house, file), source);
  }
  const env = { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}` };
  const { code, stdout } = await run('sh', ['-c', manifest.scripts!.floors!], { cwd: house, env });
  return { code, broken: [...stdout.matchAll(/error (\S+):/g)].map(([, rule]) => rule!).sort() };
}

const GROUND = { 'contract/a.ts': 'export type A = 1;', 'module/main.ts': `import '../module/fleet/f.ts';` };

test('a room may import what is below it', async () => {
  const house = { ...GROUND, 'module/fleet/f.ts': `import type { A } from '../../contract/a.ts'; export type F = A;` };
  assert.deepEqual(await floors(house), { code: 0, broken: [] });
});

test('an import of a room above fails, also of a type alone', async () => {
  const { code, broken } = await floors({
    ...GROUND,
    'module/fleet/f.ts': 'export type F = 1;',
    'shared/s.ts': `import type { F } from '../module/fleet/f.ts'; export type S = F;`,
  });
  assert.notEqual(code, 0);
  assert.deepEqual(broken, ['floor-shared']);
});

test('a circle of files, a circle of rooms, and a room without a rule fail', async () => {
  const { code, broken } = await floors({
    ...GROUND,
    'module/fleet/f.ts': `import '../agents/one.ts';`,
    'module/agents/one.ts': `import './two.ts';`,
    'module/agents/two.ts': `import './one.ts'; import '../fleet/g.ts';`,
    'module/fleet/g.ts': '',
    'module/attic/x.ts': `import '../../contract/a.ts';`,
  });
  assert.notEqual(code, 0);
  assert.deepEqual(
    [...new Set(broken)],
    ['every-room-has-its-rule', 'floor-module-fleet', 'no-circle-of-files', 'no-circle-of-rooms'],
  );
});
