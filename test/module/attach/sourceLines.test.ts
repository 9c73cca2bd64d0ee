import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { asWritten } from '../../../module/attach/sourceLines.ts';
import { app, tempFolder } from '../../../testkit/folders.ts';
import { compiled, lineOf } from '../../support/sources.ts';

const NOBODY = 65_534;
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A process of that user, which need not be Node. */
function processOf(uid?: number): number {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', ...(uid === undefined ? {} : { uid }) });
  children.push(child);
  return child.pid!;
}

async function sampling() {
  const source = app('typescript/stuck.ts');
  const script = join(tempFolder(), 'stuck.js');
  const { code, map } = await compiled(source);
  writeFileSync(script, `${code}\n//# sourceMappingURL=stuck.js.map\n`);
  writeFileSync(`${script}.map`, map);
  const line = lineOf(script, 'for (let at');
  const frames = [
    { function: 'sumForEver', file: script, line, column: 5 },
    { function: 'listOnTimeout', file: 'node:internal/timers', line: 583, column: 11 },
  ];
  return { source, taken: { samples: [{ frames, turn: '1' }], asked: 1, overMs: 50, cpu: 1 } };
}

it('a frame of compiled code gets the line that was written, where the app runs as our user', async () => {
  const { source, taken } = await sampling();
  const [sample] = (await asWritten(taken, processOf())).samples;
  assert.deepEqual(sample, {
    turn: '1',
    frames: [
      { function: 'sumForEver', file: source, line: lineOf(source, 'for (let at'), column: 0 },
      taken.samples[0]!.frames[1],
    ],
  });
});

it('files that a process of another user names are not read', {
  skip: process.getuid?.() !== 0 && 'only root may start one',
}, async () => {
  const { taken } = await sampling();
  assert.deepEqual(await asWritten(taken, processOf(NOBODY)), taken);
});
